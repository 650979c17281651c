// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.EACH;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.SIZES;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static dev.flk.wal.SimulatedLog.same;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.wal.LogArchive.Done;
import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

final class LogArchiveTest {
    private static final String MARK = "inbox.mark";
    private static final String POSITION = "inbox.archived";
    private static final LogOptions OPTIONS = options(SIZES.withSegments(1 << 20, Duration.ofDays(1)));

    private final SimulatedDisk disk = new SimulatedDisk(new Random(3));
    private final Clock clock = new Clock();
    private final Shelf shelf = new Shelf(disk);
    private final List<Entry> entries = new ArrayList<>();

    /** A sink in memory, which insists that a name has one content. */
    private static final class Shelf implements LogArchive.Sink {
        final SimulatedDisk disk;
        final Map<String, byte[]> files = new TreeMap<>();
        final List<String> names = new ArrayList<>();
        Runnable before = () -> {};
        Runnable after = () -> {};

        Shelf(SimulatedDisk disk) {
            this.disk = disk;
        }

        @Override
        public void put(Path file, String name) throws IOException {
            before.run();
            String from = file.getFileName().toString();
            if (!disk.names().contains(from)) {
                throw new IOException("cp: " + from + ": no such file");
            }
            byte[] content = disk.content(from);
            byte[] known = files.putIfAbsent(name, content);
            if (known != null) {
                assertThat(content).as(name).isEqualTo(known);
            }
            names.add(name);
            after.run();
        }

        List<String> segments() {
            return names.stream().filter(name -> name.contains(".wal")).toList();
        }

        /** Returns a disk with the archived files, as a restore finds them. */
        SimulatedDisk restored() {
            SimulatedDisk restored = new SimulatedDisk(new Random(0));
            files.forEach(restored::put);
            return restored;
        }
    }

    private SimulatedLog open() throws IOException {
        return SimulatedLog.open(disk, OPTIONS, clock);
    }

    private LogArchive archive(SimulatedLog log) {
        return new LogArchive(log.disk, OPTIONS, log.log, MARK, shelf, () -> clock.millis * 1_000_000);
    }

    private void append(SimulatedLog log, int records) {
        for (int i = 0; i < records; i++) {
            Entry entry = entry(entries.size(), 2_000);
            entries.add(entry);
            assertThat(log.append(entry).acknowledged()).isTrue();
        }
    }

    private void seal(SimulatedLog log) {
        var unused = log.log.seal();
        log.log.step();
    }

    /** Opens a log with three records in each of {@code segments} closed segments. */
    private SimulatedLog filled(int segments) throws IOException {
        SimulatedLog log = open();
        for (int i = 0; i < segments; i++) {
            append(log, 3);
            seal(log);
        }
        return log;
    }

    private static List<Done> drain(LogArchive archive) throws IOException {
        List<Done> steps = new ArrayList<>();
        for (Done done = archive.step(); done != Done.NOTHING; done = archive.step()) {
            steps.add(done);
        }
        return steps;
    }

    private void assertArchived(long upTo) throws IOException {
        List<LogRecord> records = readAll(shelf.restored());
        assertThat(records).hasSizeGreaterThanOrEqualTo((int) upTo);
        for (LogRecord record : records) {
            assertThat(same(record, entries.get((int) record.sequence() - 1))).isTrue();
        }
    }

    @Test
    void step_closedSegments_areStoredOldestFirst_eachWithTheCompanion() throws IOException {
        disk.put(MARK, "mark 1".getBytes(StandardCharsets.UTF_8));
        SimulatedLog log = filled(3);
        LogArchive archive = archive(log);
        assertThat(archive.archivedUpTo()).isZero();

        assertThat(archive.step()).isEqualTo(Done.STARTED);
        assertThat(archive.oldestMillis()).isPositive();
        assertThat(archive.isComplete()).isFalse();
        assertThat(archive.step()).isEqualTo(Done.ARCHIVED);
        assertThat(archive.archivedUpTo()).isEqualTo(3);
        assertThat(drain(archive)).hasSize(2);

        assertThat(archive.archivedUpTo()).isEqualTo(9);
        assertThat(archive.isComplete()).isTrue();
        assertThat(archive.oldestMillis()).isZero();
        assertThat(shelf.segments())
                .isSorted()
                .allMatch(name -> name.matches("inbox-20261120-\\d{16}-\\p{XDigit}{16}.wal"));
        assertThat(shelf.names).hasSize(6);
        assertThat(shelf.names.get(1)).matches("inbox-\\p{XDigit}{16}-\\p{XDigit}{8}\\.mark");
        assertThat(shelf.files.get(shelf.names.get(1))).asString().isEqualTo("mark 1");
        assertThat(disk.names()).noneMatch(name -> name.contains("opening"));
        assertArchived(9);
        append(log, 1);
        assertThat(archive.isComplete()).isFalse();
    }

    @Test
    void step_afterARestart_continues() throws IOException {
        SimulatedLog log = filled(2);
        drain(archive(log));
        append(log, 2);
        log.log.close();
        SimulatedLog again = open();
        shelf.names.clear();
        LogArchive archive = archive(again);

        assertThat(drain(archive)).containsExactly(Done.ARCHIVED);

        assertThat(shelf.segments()).hasSize(1);
        assertThat(archive.archivedUpTo()).isEqualTo(8);
        assertThat(archive.isComplete()).isTrue();
        assertArchived(8);
    }

    @Test
    void step_afterComplete_storesTheLastSegmentBeforeTheLockIsReleased() throws IOException {
        SimulatedLog log = open();
        append(log, 2);
        LogArchive archive = archive(log);
        drain(archive);
        assertThat(shelf.names).isEmpty();

        log.log.complete();
        drain(archive);
        log.log.close();

        assertThat(archive.isComplete()).isTrue();
        assertArchived(2);
    }

    @Test
    void step_afterAKill_theRepeatedRecordsAreIntact_isComplete() throws IOException {
        SimulatedLog log = open();
        append(log, 2);
        disk.kill();
        SimulatedLog again = open();
        LogArchive archive = archive(again);
        drain(archive);

        assertThat(archive.archivedUpTo()).isEqualTo(2);
        assertThat(archive.isComplete()).isTrue();
        assertArchived(2);
    }

    @Test
    void step_failedWriteDamagedTheRepeatedRecords_isIncompleteUntilTheyAreStored() throws IOException {
        SimulatedLog log = open();
        append(log, 1);
        disk.failOperation(1, Fault.EIO);
        assertThat(log.append(entry(99, 20)).failure).isNotNull();
        String failed = disk.names().stream()
                .filter(name -> name.endsWith(".wal"))
                .findFirst()
                .orElseThrow();
        SimulatedLog.flip(disk, failed, SimulatedLog.HEADER_BYTES + 100);
        LogArchive archive = archive(log);
        drain(archive);
        assertThat(shelf.segments()).hasSize(1);
        assertThat(archive.archivedUpTo()).isZero();
        assertThat(archive.isComplete()).isFalse();

        append(log, 1);
        seal(log);
        drain(archive);

        assertThat(archive.archivedUpTo()).isEqualTo(2);
        assertThat(archive.isComplete()).isTrue();
        assertArchived(2);
    }

    @Test
    void step_quietLogWithRecords_isSealedOnceItIsOld() throws IOException {
        SimulatedLog log = open();
        LogArchive archive = archive(log);
        append(log, 1);
        drain(archive);
        clock.advance(Duration.ofHours(23));
        drain(archive);
        log.log.step();
        assertThat(drain(archive)).isEmpty();

        clock.advance(Duration.ofHours(1));
        drain(archive);
        log.log.step();
        assertThat(drain(archive)).containsExactly(Done.ARCHIVED);

        clock.advance(Duration.ofDays(9));
        drain(archive);
        assertThat(log.log.step()).as("nothing to seal").isFalse();
        assertArchived(1);
    }

    @Test
    void step_declaredLosses_areStoredWhenTheyAreNew() throws IOException {
        SimulatedLog log = filled(1);
        LogArchive archive = archive(log);
        drain(archive);
        disk.put("inbox-lost-1", "losses of a repair".getBytes(StandardCharsets.UTF_8));
        shelf.names.clear();

        LogArchive next = archive(log);
        assertThat(drain(next)).containsExactly(Done.LOSSES);
        assertThat(shelf.names).singleElement().asString().matches("inbox-lost-1-\\p{XDigit}{8}");
        assertThat(drain(archive(log))).isEmpty();
    }

    @Test
    void step_olderCopyOfTheLogWasPutBack_storesAllAgain() throws IOException {
        SimulatedLog log = filled(1);
        log.log.close();
        SimulatedDisk old = disk.copy();
        SimulatedLog more = open();
        append(more, 6);
        seal(more);
        drain(archive(more));
        more.log.close();
        byte[] position = disk.content(POSITION);
        disk.names().stream().filter(name -> name.endsWith(".wal")).forEach(disk::remove);
        old.names().forEach(name -> disk.put(name, old.content(name)));
        disk.put(POSITION, position);
        entries.subList(3, entries.size()).clear();
        shelf.names.clear();

        SimulatedLog again = open();
        LogArchive archive = archive(again);
        assertThat(archive.step()).isEqualTo(Done.STARTED);
        assertThat(archive.archivedUpTo()).isZero();
        drain(archive);

        assertThat(archive.archivedUpTo()).isEqualTo(3);
        assertThat(shelf.segments()).isNotEmpty();
    }

    @Test
    void step_segmentIsCompressedAfterTheListing_storesTheCompressedOne() throws IOException {
        SimulatedLog log = filled(2);
        LogArchive archive = archive(log);
        assertThat(archive.step()).isEqualTo(Done.STARTED);
        clock.advance(Duration.ofDays(2));
        Retention retention = SimulatedLog.retention(disk, Duration.ofDays(14), clock);
        assertThat(retention.step(0)).isEqualTo(Retention.Done.COMPRESSED);

        drain(archive);

        assertThat(shelf.segments()).hasSize(2);
        assertThat(shelf.segments().get(0)).endsWith(".wal.gz");
        assertArchived(6);
    }

    @Test
    void step_segmentIsCompressedWhileItIsStored_isStoredAgain() throws IOException {
        SimulatedLog log = filled(1);
        LogArchive archive = archive(log);
        clock.advance(Duration.ofDays(2));
        Retention retention = SimulatedLog.retention(disk, Duration.ofDays(14), clock);
        shelf.after = () -> {
            shelf.after = () -> {};
            try {
                assertThat(retention.step(0)).isEqualTo(Retention.Done.COMPRESSED);
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        };
        drain(archive);

        assertThat(shelf.segments()).hasSize(2);
        assertThat(shelf.segments().get(1)).endsWith(".wal.gz");
        assertArchived(3);
    }

    @Test
    void step_segmentIsRotatedAndReplacedByAnEmptyFile_storesTheRotatedOne() throws IOException {
        SimulatedLog log = filled(1);
        LogArchive archive = archive(log);
        assertThat(archive.step()).isEqualTo(Done.STARTED);
        disk.rotate(
                disk.names().stream()
                        .filter(name -> name.endsWith(".wal"))
                        .findFirst()
                        .orElseThrow(),
                true,
                true);

        drain(archive);

        assertThat(shelf.segments()).singleElement().asString().endsWith(".wal.gz");
        assertArchived(3);
    }

    @Test
    void archivedUpTo_ofAStoppedLog_isRead_andDamageHoldsEverything() throws IOException {
        assertThat(LogArchive.archivedUpTo(disk, DIRECTORY, PREFIX)).isEmpty();
        SimulatedLog log = filled(1);
        assertThat(LogArchive.oldestWaiting(disk, DIRECTORY, PREFIX))
                .hasValue(new LogArchive.Waiting("inbox-20261120-0000000000000001.wal", clock.millis));
        drain(archive(log));
        assertThat(LogArchive.oldestWaiting(disk, DIRECTORY, PREFIX)).isEmpty();
        assertThat(LogArchive.archivedUpTo(disk, DIRECTORY, PREFIX)).hasValue(3);
        byte[] damaged = disk.content(POSITION);
        damaged[10] ^= 1;
        disk.put(POSITION, damaged);
        assertThat(LogArchive.archivedUpTo(disk, DIRECTORY, PREFIX)).hasValue(0);

        assertThat(LogArchive.forget(disk, DIRECTORY, PREFIX)).isTrue();
        assertThat(LogArchive.forget(disk, DIRECTORY, PREFIX)).isFalse();
        assertThat(LogArchive.archivedUpTo(disk, DIRECTORY, PREFIX)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "flk-archived1 - - 0 0 0000000000000000 00000000\n", "nonsense"})
    void step_damagedPosition_storesAllAgain(String content) throws IOException {
        SimulatedLog log = filled(2);
        drain(archive(log));
        disk.put(POSITION, content.getBytes(StandardCharsets.US_ASCII));
        shelf.names.clear();
        LogArchive archive = archive(log);
        assertThat(archive.step()).isEqualTo(Done.STARTED);
        drain(archive);
        assertThat(shelf.segments()).hasSize(2);
    }

    @Test
    void step_sinkFails_isTriedAgain_andTheRetentionWaits() throws IOException {
        disk.put(MARK, "mark".getBytes(StandardCharsets.UTF_8));
        SimulatedLog log = filled(2);
        LogArchive archive = archive(log);
        assertThat(archive.step()).isEqualTo(Done.STARTED);
        int[] calls = {0};
        shelf.before = () -> {
            if (calls[0]++ == 1) {
                throw new IllegalStateException("exit code 1"); // the companion of the first segment
            }
        };
        assertThatThrownBy(archive::step).hasMessage("exit code 1");
        assertThat(archive.archivedUpTo()).isZero();
        assertThat(archive.oldestMillis()).isPositive();
        assertThat(disk.names()).noneMatch(name -> name.contains("opening"));

        drain(archive);
        assertThat(archive.archivedUpTo()).isEqualTo(6);
        assertThat(shelf.segments())
                .as("a stored segment is not repeated")
                .hasSize(2)
                .doesNotHaveDuplicates();
    }

    /**
     * Runs a life of a log with its archive and retention, and fails each file operation and each call of the sink in
     * turn, followed by a kill or a power loss, and another life.
     */
    @ParameterizedTest
    @EnumSource(Fault.class)
    void everyOperation_failing_removesNothingThatIsNotStored(Fault fault) throws IOException {
        int faults = 0;
        for (int n = 0; new Life(n, fault).run(); n += EACH) {
            faults++;
        }
        assertThat(faults).isGreaterThan(300 / EACH);
    }

    /** A simulation with one fault. */
    private static final class Life {
        private final int number;
        private final SimulatedDisk disk;
        private final Shelf shelf;
        private final Clock clock = new Clock();
        private final List<Entry> acknowledged = new ArrayList<>();
        private int calls;

        Life(int number, Fault fault) {
            this.number = number;
            disk = new SimulatedDisk(new Random(number));
            shelf = new Shelf(disk);
            disk.put(MARK, "mark".getBytes(StandardCharsets.UTF_8));
            disk.failOperation(number, fault);
            // the sink counts as an operation of the disk, before and after it has stored the file
            shelf.before = this::touch;
            shelf.after = this::touch;
        }

        private void touch() {
            calls++;
            try {
                disk.status(Path.of("sink"));
            } catch (IOException e) {
                throw new IllegalStateException("injected", e);
            }
        }

        /** Returns whether the fault happened. */
        boolean run() throws IOException {
            live(5);
            boolean reached = disk.faultHappened();
            if (number % 2 == 0) {
                disk.losePower();
            } else {
                disk.kill();
            }
            disk.failNothing();
            live(4);
            assertThat(calls).isPositive();
            assertNothingLost();
            return reached;
        }

        private void live(int segments) throws IOException {
            try {
                SimulatedLog log = SimulatedLog.open(disk, OPTIONS, clock);
                LogArchive archive =
                        new LogArchive(disk, OPTIONS, log.log, MARK, shelf, () -> clock.millis * 1_000_000);
                for (int i = 0; i < segments; i++) {
                    for (int k = 0; k < 2; k++) {
                        Entry entry = entry(acknowledged.size(), 700);
                        if (log.append(entry).acknowledged()) {
                            acknowledged.add(entry);
                        }
                    }
                    disk.put(MARK, ("mark " + acknowledged.size()).getBytes(StandardCharsets.UTF_8));
                    clock.advance(Duration.ofDays(1));
                    care(archive);
                    for (int k = 0; k < i; k++) { // lags behind, then catches up
                        step(archive);
                        log.log.step();
                    }
                    care(archive);
                    assertNothingLost();
                }
                log.log.complete();
                for (int i = 0; i < 12; i++) {
                    step(archive);
                }
                care(archive);
                log.log.close();
                if (!disk.faultHappened()) {
                    assertThat(archive.isComplete()).isTrue();
                }
            } catch (SimulatedDisk.Killed | IOException e) {
                assertThat(disk.faultHappened()).as(e.toString()).isTrue();
            }
        }

        private void step(LogArchive archive) {
            try {
                archive.step();
            } catch (IOException | IllegalStateException e) {
                assertThat(disk.faultHappened()).as(e.toString()).isTrue();
            }
        }

        private void care(LogArchive archive) throws IOException {
            Retention retention = SimulatedLog.retention(disk, Duration.ofDays(1), clock);
            try {
                while (retention.step(archive.archivedUpTo()) != Retention.Done.NOTHING) {
                    // all that is due
                }
            } catch (IOException e) {
                assertThat(disk.faultHappened()).as(e.toString()).isTrue();
            }
        }

        /** Checks that every acknowledged record is in the archive or in the log. */
        private void assertNothingLost() throws IOException {
            Map<Long, LogRecord> found = new TreeMap<>();
            for (SimulatedDisk each : List.of(shelf.restored(), disk.copy())) {
                for (LogRecord record : SimulatedLog.readSkipping(each)) {
                    found.put(record.sequence(), record);
                }
            }
            List<LogRecord> records = List.copyOf(found.values());
            int next = 0;
            for (LogRecord record : records) {
                if (next < acknowledged.size() && same(record, acknowledged.get(next))) {
                    next++;
                }
            }
            assertThat(next).as("of %d acknowledged", acknowledged.size()).isEqualTo(acknowledged.size());
        }
    }
}
