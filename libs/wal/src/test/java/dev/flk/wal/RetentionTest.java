// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.SIZES;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static dev.flk.wal.SimulatedLog.same;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.wal.Retention.Done;
import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class RetentionTest {
    private final List<Entry> entries = new ArrayList<>();
    private final Clock clock = new Clock();
    private final SimulatedDisk disk = new SimulatedDisk(new Random(5));
    private final Retention retention = retention(disk);

    private Retention retention(SimulatedDisk on) {
        return SimulatedLog.retention(on, Duration.ofDays(14), clock);
    }

    /** Appends twelve records in four segments, opened a day apart. */
    private void fill() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk, options(SIZES.withSegments(1 << 20, Duration.ofDays(1))), clock);
        for (int i = 0; i < 12; i++) {
            Entry entry = entry(i, 2_000);
            entries.add(entry);
            log.append(entry);
            if (i % 3 == 2) {
                clock.advance(Duration.ofDays(1));
            }
        }
        disk.kill();
        assertThat(segments()).hasSize(4);
    }

    private List<String> segments() {
        return disk.names().stream().filter(name -> name.contains(".wal")).toList();
    }

    private void assertAllThere(SimulatedDisk on, long from) throws IOException {
        List<LogRecord> records = readAll(on, from);
        assertThat(records).hasSize((int) (entries.size() + 1 - from));
        for (LogRecord record : records) {
            assertThat(same(record, entries.get((int) record.sequence() - 1))).isTrue();
        }
    }

    @Test
    void compress_segmentsClosedADayAgo_theSameIsReadAndTheNewestStays() throws IOException {
        fill();
        for (int i = 0; i < 3; i++) {
            assertThat(retention.step(0)).isEqualTo(Done.COMPRESSED);
            assertAllThere(disk, 1);
        }
        assertThat(retention.step(0)).isEqualTo(Done.NOTHING);
        assertThat(segments()).filteredOn(name -> name.endsWith(".gz")).hasSize(3);
        assertAllThere(disk, 5);
        assertThat(SimulatedLog.open(disk).append(entry("next")).firstSequence).isEqualTo(13);
    }

    @Test
    void compress_youngSegment_isLeftAlone() throws IOException {
        fill();
        clock.millis -= Duration.ofDays(3).plusHours(1).toMillis();
        assertThat(retention.step(0)).isEqualTo(Done.NOTHING);
    }

    @Test
    void compress_anotherFileHasTheName_leavesBoth() throws IOException {
        fill();
        String name = segments().get(0) + ".gz";
        byte[] other = "a segment of another log".getBytes(StandardCharsets.UTF_8);
        disk.put(name, other);

        assertThat(retention.plan(0)).hasSize(2);
        assertThat(retention.step(0)).isEqualTo(Done.COMPRESSED);
        assertThat(retention.step(0)).isEqualTo(Done.COMPRESSED);
        assertThat(retention.step(0)).isEqualTo(Done.NOTHING);
        assertThat(disk.content(name)).isEqualTo(other);
        assertAllThere(disk, 1);
    }

    @Test
    void remove_oldAndFinished_oldestFirst() throws IOException {
        fill();
        clock.advance(Duration.ofDays(12));
        assertThat(retention.wouldRemoveUpTo(5)).isPresent();
        assertThat(retention.step(5)).isEqualTo(Done.REMOVED);
        assertAllThere(disk, 4);
        assertThat(retention.wouldRemoveUpTo(5))
                .as("4 to 6 are not all finished")
                .isEmpty();
        assertThat(retention.step(6)).isEqualTo(Done.REMOVED);
        assertAllThere(disk, 7);
    }

    @Test
    void remove_junkBetweenRemovedRecords_isSetAside_andNothingIsMissingAfterwards() throws IOException {
        fill();
        String junk = "inbox-20261120-0000000000000002.wal";
        disk.put(junk, "junk".getBytes(StandardCharsets.US_ASCII));
        assertThat(SimulatedLog.verify(disk).isComplete()).isTrue();
        clock.advance(Duration.ofDays(12));

        assertThat(retention.step(6)).isEqualTo(Done.REMOVED);

        assertThat(disk.names()).contains(junk + ".broken").doesNotContain(junk);
        assertThat(SimulatedLog.verify(disk).isComplete()).isTrue();
        assertAllThere(disk, 4);
    }

    @Test
    void remove_segmentAfterLostRecords_reportsNoMoreThanWasLost() throws IOException {
        fill();
        String second = segments().get(1);
        disk.put(second, "junk".getBytes(StandardCharsets.US_ASCII));
        clock.advance(Duration.ofDays(1_000));

        assertThat(retention.step(9)).isEqualTo(Done.REMOVED);
        assertThat(SimulatedLog.verify(disk).damages())
                .extracting(Damage::firstMissing, Damage::lastMissing)
                .containsExactly(tuple(4L, 6L));

        assertThat(retention.step(9)).isEqualTo(Done.REMOVED);
        assertThat(disk.names()).contains(second + ".broken");
        assertThat(SimulatedLog.verify(disk).damages()).isEmpty();
        assertAllThere(disk, 10);
    }

    @Test
    void remove_newest_never() throws IOException {
        fill();
        clock.advance(Duration.ofDays(1_000));
        while (retention.step(1_000) != Done.NOTHING) {
            assertThat(segments()).isNotEmpty();
        }
        assertAllThere(disk, 10);
    }

    @Test
    void compressed_byteChanged_isSeen() throws IOException {
        fill();
        assertThat(retention.step(0)).isEqualTo(Done.COMPRESSED);
        String name = segments().get(0);
        byte[] complete = disk.content(name);
        for (int at = 12; at < complete.length - 8; at += 97) {
            byte[] changed = complete.clone();
            changed[at] ^= 4;
            disk.put(name, changed);
            if (SimulatedLog.verify(disk).isComplete()) {
                assertThat(SimulatedLog.verify(disk).brokenHeaders())
                        .as("byte %d", at)
                        .containsExactly(name);
                assertAllThere(disk, 1);
            } else {
                assertThatThrownBy(() -> readAll(disk)).as("byte %d", at).isInstanceOf(DamagedLogException.class);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(SimulatedDisk.Fault.class)
    void everyOperationOfACompression_failing_losesNothing(SimulatedDisk.Fault fault) throws IOException {
        fill();
        failEveryOperation(fault, 0);
    }

    @ParameterizedTest
    @EnumSource(SimulatedDisk.Fault.class)
    void everyOperationOfARemoval_failing_losesOnlyWhatIsFinished(SimulatedDisk.Fault fault) throws IOException {
        fill();
        assertThat(retention.step(0)).isEqualTo(Done.COMPRESSED);
        disk.put("inbox-20261120-0000000000000002.wal", "junk".getBytes(StandardCharsets.US_ASCII));
        clock.advance(Duration.ofDays(12));
        failEveryOperation(fault, 6);
    }

    /** Fails each operation of all steps of a retention in turn. Checks that the records that are not finished remain. */
    private void failEveryOperation(SimulatedDisk.Fault fault, long finishedUpTo) throws IOException {
        boolean reached = true;
        for (int n = 0; reached; n += SimulatedLog.EACH) {
            SimulatedDisk copy = disk.copy();
            copy.failOperation(n, fault);
            try {
                runAll(copy, finishedUpTo);
            } catch (SimulatedDisk.Killed | IOException e) {
                assertThat(copy.faultHappened()).isTrue();
            }
            reached = copy.faultHappened();
            if (n % 2 == 0) {
                copy.losePower();
            } else {
                copy.kill();
            }
            assertAllThere(copy, finishedUpTo + 1);
            runAll(copy, finishedUpTo);
            assertThat(SimulatedLog.verify(copy).isComplete()).isTrue();
            assertThat(copy.names()).noneMatch(name -> name.endsWith(".part"));
        }
    }

    private void runAll(SimulatedDisk on, long finishedUpTo) throws IOException {
        while (retention(on).step(finishedUpTo) != Done.NOTHING) {
            assertAllThere(on, finishedUpTo + 1);
        }
    }

    /**
     * Checks that a start cuts no torn tail off a compressed segment: it never writes to a compressed segment, wherever
     * its records end.
     */
    @Test
    void newestIsGone_theOneBeforeFailedAndIsCompressed_aStartLeavesItAsItIs() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk, options(), clock);
        log.append(entry("A"));
        disk.failOperation(1, Fault.EIO);
        assertThat(log.append(entry(1, 20_000)).failure).isNotNull();
        log.append(entry("B"));
        byte[] failed = disk.content(segments().get(0));
        failed[failed.length - 100] ^= 1; // in the refused record
        disk.put(segments().get(0), failed);
        clock.advance(Duration.ofDays(2));
        assertThat(retention.step(0)).isEqualTo(Done.COMPRESSED);
        disk.kill();
        disk.remove(segments().get(1));
        String compressed = segments().get(0);
        byte[] before = disk.content(compressed);

        SimulatedLog again = SimulatedLog.open(disk, options(), clock);
        again.append(entry("C"));

        assertThat(disk.content(compressed)).isEqualTo(before);
        assertThat(bodies(readAll(disk))).containsExactly("A", "C");
    }
}
