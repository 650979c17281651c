// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static dev.flk.wal.SimulatedLog.same;
import static dev.flk.wal.SimulatedLog.verify;
import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.flk.sample.FuzzInputs;
import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.RecordFormat;
import dev.flk.wal.segment.SegmentNames;
import dev.flk.wal.segment.SegmentScan;
import dev.flk.wal.testing.FuzzedDamage;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.junit.jupiter.params.provider.ArgumentsSource;

/**
 * Fuzz tests that damage the files of a log and open it. The log returns only what was written, including every record
 * before the damage, and reports what is missing, with the same result at the next start; or it refuses with a {@link
 * DamagedLogException}.
 */
class LogRecoveryFuzzTest {
    private static final int MOST_DAMAGES = 4;

    private final VariedLog varied;
    private final Map<Long, Place> places = new HashMap<>();

    /** The segment of a record that counts, and the offset at which the record ends. */
    private record Place(String segment, long end) {}

    /** The result of a reading that continues after damage: the records by sequence, and the damages. */
    private record Reported(NavigableMap<Long, LogRecord> records, List<Damage> damages) {
        List<Long> sequences() {
            return List.copyOf(records.keySet());
        }

        boolean reports(long sequence) {
            return records.containsKey(sequence)
                    || damages.stream()
                            .anyMatch(damage -> damage.firstMissing() <= sequence && sequence <= damage.lastMissing());
        }
    }

    LogRecoveryFuzzTest() throws IOException {
        varied = new VariedLog();
        for (LogRecord record : readAll(varied.disk)) {
            String segment = record.position().segment();
            // a record that the header repeats lies somewhere within the header
            long end = record.position().offset() + RecordFormat.lengthOf(record);
            places.put(record.sequence(), new Place(segment, Math.max(headerBytes(segment), end)));
        }
    }

    private long headerBytes(String segment) throws IOException {
        try (SegmentScan scan = SegmentScan.open(varied.disk, DIRECTORY.resolve(segment))) {
            return scan.firstOffset();
        }
    }

    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void damagedLog_givesWhatWasWritten_orSaysWhatIsMissing(FuzzedDataProvider data) throws IOException {
        SimulatedDisk disk = varied.disk.copy();
        List<String> segments = List.of(varied.oldest, varied.failed, varied.newest);
        for (int damages = data.consumeInt(1, MOST_DAMAGES); damages > 0; damages--) {
            FuzzedDamage.damageOne(data, disk, segments);
        }
        if (isErased(disk, segments)) {
            return;
        }

        Reported reported = read(disk);
        assertWasWritten(reported);
        assertNothingInFrontOfTheDamageIsLost(reported, disk);
        assertThat(stopsWith(disk, reported)).isEqualTo(!reported.damages().isEmpty());
        assertOpens(disk.copy(), reported);
        assertIsRepaired(disk.copy(), reported);
    }

    /**
     * Returns whether one of the files is not recognized as a segment any more, because it is empty. Such a file is as
     * good as removed, since nothing shows what it contained.
     */
    private static boolean isErased(SimulatedDisk disk, List<String> segments) throws IOException {
        for (String segment : segments) {
            if (disk.content(segment).length == 0) {
                return true;
            }
            try (SegmentScan scan = SegmentScan.open(disk, DIRECTORY.resolve(segment))) {
                if (scan == null && SegmentScan.lostWithHeader(disk, DIRECTORY.resolve(segment)) == null) {
                    return true;
                }
            }
        }
        return false;
    }

    private static Reported read(SimulatedDisk disk) throws IOException {
        NavigableMap<Long, LogRecord> records = new TreeMap<>();
        try (LogReader reader = LogReader.open(disk, DIRECTORY, PREFIX, 1, OnDamage.SKIP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                assertThat(records.isEmpty() || records.lastKey() < record.sequence())
                        .as("sequences rise")
                        .isTrue();
                records.put(record.sequence(), record);
            }
            return new Reported(records, reader.damages());
        }
    }

    private void assertWasWritten(Reported reported) {
        reported.records().forEach((sequence, record) -> {
            assertThat(sequence).isBetween(1L, (long) varied.entries.size());
            int index = (int) (sequence - 1);
            assertThat(same(record, varied.entries.get(index))).isTrue();
            assertThat(record.group()).isEqualTo(varied.groups.get(index));
        });
        long last = reported.records().isEmpty() ? 0 : reported.records().lastKey();
        assertThat(LongStream.rangeClosed(1, last).filter(sequence -> !reported.reports(sequence)))
                .as("neither read nor said to be missing, and others behind them were read")
                .isEmpty();
    }

    private void assertNothingInFrontOfTheDamageIsLost(Reported reported, SimulatedDisk disk) {
        places.forEach((sequence, place) -> {
            if (firstDamaged(disk, place.segment()) >= place.end()) {
                assertThat(reported.records()).containsKey(sequence);
            }
        });
    }

    private int firstDamaged(SimulatedDisk disk, String segment) {
        int first = Arrays.mismatch(varied.disk.content(segment), disk.content(segment));
        return first < 0 ? Integer.MAX_VALUE : first;
    }

    /** Returns whether a reading with {@code STOP} stops, and checks that it returns the same records until then. */
    private static boolean stopsWith(SimulatedDisk disk, Reported reported) throws IOException {
        List<Long> expected = reported.sequences();
        int count = 0;
        try (LogReader reader = LogReader.open(disk, DIRECTORY, PREFIX, 1, OnDamage.STOP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                assertThat(record.sequence()).isEqualTo(expected.get(count));
                count++;
            }
            assertThat(count).isEqualTo(expected.size());
            return false;
        } catch (DamagedLogException e) {
            assertThat(e.damage()).isEqualTo(reported.damages().get(0));
            return true;
        }
    }

    /**
     * Checks that the log opens with {@code SKIP}, before and after an append. A start with {@code STOP} comes first
     * and may refuse the damage.
     */
    private void assertOpens(SimulatedDisk disk, Reported reported) throws IOException {
        SimulatedDisk before = disk.copy();
        try {
            SimulatedLog.open(disk);
        } catch (DamagedLogException e) {
            assertThat(reported.damages()).isNotEmpty();
        }
        disk.kill();
        SimulatedLog log = SimulatedLog.open(disk, options().with(OnDamage.SKIP), new SimulatedLog.Clock());
        assertNothingIsCutButIsSetAside(before, disk);
        assertThat(read(disk).sequences()).isEqualTo(reported.sequences());
        long appended = log.append(entry("next")).firstSequence;
        assertThat(appended)
                .isGreaterThan(
                        reported.records().isEmpty() ? 0 : reported.records().lastKey());
        disk.kill();

        SimulatedLog.open(disk, options().with(OnDamage.SKIP), new SimulatedLog.Clock());
        Reported again = read(disk);
        assertThat(again.records()).containsKey(appended);
        again.records().remove(appended);
        assertThat(again.sequences()).isEqualTo(reported.sequences());
        assertWasWritten(again);
    }

    /**
     * Checks that a start sets aside all that it cuts off. A segment in which no record counts is replaced by the next
     * one of the same name.
     */
    private static void assertNothingIsCutButIsSetAside(SimulatedDisk before, SimulatedDisk after) {
        for (String name : before.names()) {
            byte[] was = withoutZeros(before.content(name));
            byte[] is = withoutZeros(after.content(name));
            int mismatch = Arrays.mismatch(was, is);
            boolean isReplaced = mismatch >= 0 && mismatch < Math.min(is.length, SimulatedLog.HEADER_BYTES);
            byte[] kept = isReplaced ? Arrays.copyOf(was, SimulatedLog.HEADER_BYTES) : is;
            String broken = name + SegmentNames.BROKEN;
            byte[] aside = after.names().contains(broken) ? after.content(broken) : new byte[0];
            byte[] both = Arrays.copyOf(kept, kept.length + aside.length);
            System.arraycopy(aside, 0, both, kept.length, aside.length);
            assertThat(both).as(name).isEqualTo(was);
        }
    }

    private static byte[] withoutZeros(byte[] bytes) {
        int length = bytes.length;
        while (length > 0 && bytes[length - 1] == 0) {
            length--;
        }
        return Arrays.copyOf(bytes, length);
    }

    /** Checks that a repair keeps every complete record, gives up the others and leaves no damage. */
    private void assertIsRepaired(SimulatedDisk disk, Reported reported) throws IOException {
        Verification seen = verify(disk);
        assertThat(seen.records()).isEqualTo(reported.records().size());
        assertThat(seen.isComplete()).isEqualTo(reported.damages().isEmpty());

        new LogRepair(disk, DIRECTORY, PREFIX, "test").run();

        SimulatedLog log = SimulatedLog.open(disk, options(), new SimulatedLog.Clock());
        assertThat(readAll(disk)).extracting(LogRecord::sequence).isEqualTo(reported.sequences());
        long appended = log.append(entry("next")).firstSequence;
        assertThat(readAll(disk)).extracting(LogRecord::sequence).contains(appended);
    }

    /** Checks that no torn end that a dying writer can leave is reported as damage. */
    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void cutAndZeroedEnd_isNoDamage(FuzzedDataProvider data) throws IOException {
        SimulatedDisk disk = varied.disk.copy();
        byte[] complete = disk.content(varied.newest);
        int lastGroup = (int) places.get(varied.lastGroup() - 1).end();
        int from = data.consumeInt(lastGroup, complete.length);
        byte[] torn = Arrays.copyOf(complete, data.consumeInt(from, complete.length));
        Random random = new Random(data.consumeLong());
        for (int at = from; at < torn.length; at++) {
            torn[at] = (byte) (random.nextBoolean() ? 0 : random.nextInt());
        }
        disk.put(varied.newest, torn);

        Reported reported = read(disk);

        assertThat(reported.damages()).isEmpty();
        assertWasWritten(reported);
        assertThat(reported.records().size()).isGreaterThanOrEqualTo((int) varied.lastGroup() - 1);
        assertOpens(disk, reported);
    }
}
