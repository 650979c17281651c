// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static dev.flk.wal.SimulatedLog.readSkipping;
import static dev.flk.wal.SimulatedLog.verify;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.SimulatedLog.Recorded;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of a log whose active segment is moved, removed, replaced or emptied. */
final class VanishedSegmentTest {
    private static final String ACTIVE = "inbox-20261120-0000000000000001.wal";

    private final SimulatedDisk disk = new SimulatedDisk(new Random(1));
    private final List<String> reported = new ArrayList<>();
    private boolean flushFails;
    private final SimulatedLog log = SimulatedLog.open(disk, options(), new Clock(), new LogListener() {
        @Override
        public void vanished(String segment, @Nullable String renamedTo) throws IOException {
            reported.add(segment + " "
                    + disk.names().stream()
                            .filter(VanishedSegmentTest::isSegment)
                            .count());
            if (flushFails) {
                throw new IOException("injected: the store");
            }
        }
    });

    VanishedSegmentTest() throws IOException {}

    private static boolean isSegment(String name) {
        return name.endsWith(".wal");
    }

    /** Appends records that are larger than a block, so that a new segment repeats only the last one. */
    private void append(int count) {
        for (int i = 0; i < count; i++) {
            assertThat(log.append(entry(i, 5_000)).acknowledged()).isTrue();
        }
    }

    private void leave() {
        assertThat(log.log.watchStep()).as("still there").isFalse();
        assertThat(log.log.step()).isTrue();
        assertThat(log.log.watchStep()).as("the new one is there").isTrue();
    }

    @Test
    void moved_isToldBeforeTheNextIsOpened_andTheLogGoesOn() {
        append(3);
        disk.moveAway(ACTIVE, "moved");

        leave();

        assertThat(reported).containsExactly(ACTIVE + " 0");
        assertThat(log.append(entry("next")).firstSequence).isEqualTo(4);
    }

    @Test
    void read_absentSegment_isPassedOverOnlyIfAllOfItIsDecided() throws IOException {
        append(2);
        log.log.close();
        SimulatedLog second = SimulatedLog.open(disk);
        second.append(entry(3, 5_000));
        second.append(entry(4, 5_000));
        second.log.close();
        SimulatedLog third = SimulatedLog.open(disk);
        third.append(entry(5, 5_000));
        String moved = "inbox-20261120-0000000000000003.wal";
        disk.moveAway(moved, "moved");

        try (LogReader reader = third.log.read(1, OnDamage.STOP, 4)) {
            List<Long> read = new ArrayList<>();
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                read.add(record.sequence());
            }
            assertThat(read).containsExactly(1L, 2L, 5L);
            assertThat(reader.absent())
                    .extracting(Damage::describe)
                    .containsExactly("segment inbox-20261120-0000000000000003.wal is missing, with records 3 to 4");
        }
        try (LogReader reader = third.log.read(1, OnDamage.STOP, 3)) {
            assertThat(reader.next().sequence()).isEqualTo(1);
            assertThat(reader.next().sequence()).isEqualTo(2);
            assertThatThrownBy(reader::next).isInstanceOf(DamagedLogException.class);
        }
    }

    /**
     * Checks that acknowledged records are reported missing before the watch has noticed the move, and that the log
     * does not end before them.
     */
    @Test
    void read_segmentThatIsWrittenToMoved_isWhatIsMissing() throws IOException {
        append(1);
        log.log.close();
        SimulatedLog second = SimulatedLog.open(disk);
        second.append(entry(2, 5_000));
        second.append(entry(3, 5_000));
        disk.moveAway("inbox-20261120-0000000000000002.wal", "moved");

        try (LogReader reader = second.log.read(1, OnDamage.STOP)) {
            assertThat(reader.next().sequence()).isEqualTo(1);
            assertThatThrownBy(reader::next)
                    .isInstanceOf(DamagedLogException.class)
                    .hasMessageContaining("is missing, with records 2 to 3");
        }
        disk.moveAway(ACTIVE, "moved too");
        try (LogReader reader = second.log.read(1, OnDamage.STOP)) {
            assertThatThrownBy(reader::next)
                    .isInstanceOf(DamagedLogException.class)
                    .hasMessageContaining("is missing, with records 1 to 3");
        }
    }

    /**
     * Checks that a refused record of the previous segment, which has the same sequence and may be complete, is not
     * returned instead.
     */
    @Test
    void read_segmentThatIsWrittenToMoved_whatWasRefusedDoesNotStandIn() throws IOException {
        append(1);
        disk.failOperation(1, Fault.EIO);
        assertThat(log.append(entry("refused")).failure).isNotNull();
        assertThat(log.append(entry("acknowledged")).firstSequence).isEqualTo(2);
        String newest = "inbox-20261120-0000000000000002.wal";
        disk.moveAway(newest, "moved");

        try (LogReader reader = log.log.read(1, OnDamage.STOP)) {
            assertThat(reader.next().sequence()).isEqualTo(1);
            assertThatThrownBy(reader::next)
                    .isInstanceOf(DamagedLogException.class)
                    .hasMessageContaining("segment " + newest + " is missing, with record 2");
        }
    }

    /**
     * Makes a segment fail and damages both of its records, the acknowledged one and the refused one. Returns the name
     * of the next segment, which repeats the acknowledged one.
     */
    private String failedThenAbsent() throws IOException {
        append(1);
        disk.failOperation(1, Fault.EIO);
        assertThat(log.append(entry("refused")).failure).isNotNull();
        append(1);
        byte[] failed = disk.content(ACTIVE);
        failed[failed.length - 40] ^= 1; // in the refused record
        failed[10_000] ^= 1; // in the record before it
        disk.put(ACTIVE, failed);
        return "inbox-20261120-0000000000000002.wal";
    }

    private static void assertAbsent(SimulatedDisk disk, String what) {
        assertThatThrownBy(() -> readAll(disk))
                .isInstanceOf(DamagedLogException.class)
                .hasMessageContaining(what);
    }

    /**
     * Checks that the missing segment is reported, so that it can be put back and nothing needs to be repaired. After a
     * clean end, the start replaces an empty segment, and must still name the segment that the empty one continued.
     */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void read_absentSegmentAfterOneThatFailed_isWhatIsMissing(boolean isKilled) throws IOException {
        String repeats = failedThenAbsent();
        if (isKilled) {
            disk.kill();
        } else {
            log.log.close();
        }
        SimulatedLog.open(disk).append(entry("B"));
        disk.moveAway(repeats, "moved");
        assertAbsent(disk, "segment " + repeats + " is missing, with record 1");

        disk.moveAway("moved", repeats);
        assertThat(readAll(disk)).extracting(LogRecord::sequence).containsExactly(1L, 2L, 3L);
    }

    /**
     * Checks that the first of two adjacent missing segments is reported, put back or declared lost, although a refused
     * group at the end of the segment before them has the sequences of its acknowledged records.
     */
    @Test
    void read_twoAbsentSegments_areMissing_thoughNoSequenceIs() throws IOException {
        append(1);
        disk.failOperation(1, Fault.EIO);
        log.append(entry("refused"));
        log.append(entry("answered"));
        log.log.close();
        disk.kill();
        SimulatedLog.open(disk).append(entry("repeated by the next"));
        disk.kill();
        SimulatedLog last = SimulatedLog.open(disk);
        last.append(entry("last"));
        last.log.close();
        disk.kill();
        List<String> segments =
                disk.names().stream().filter(VanishedSegmentTest::isSegment).toList();
        SimulatedDisk complete = disk.copy();
        disk.remove(segments.get(1));
        disk.remove(segments.get(2));

        assertThat(bodies(readSkipping(disk))).hasSize(4).contains("refused", "repeated by the next", "last");
        Damage missing = new Damage(Damage.Kind.ABSENT, segments.get(2), 0, 3, 2);
        assertThat(verify(disk).damages()).containsExactly(missing);
        assertThat(missing.describe())
                .isEqualTo("segment " + segments.get(2) + " is missing, with an unknown number of records");
        assertThat(bodies(readAll(complete))).hasSize(4).contains("answered", "repeated by the next", "last");
        assertAbsent(disk, missing.describe());
        SimulatedLog started = SimulatedLog.open(disk.copy());
        assertThat(started.log.absent(1)).hasSize(1);
        try (LogReader decided = started.log.read(1, OnDamage.STOP, 4)) {
            while (decided.next() != null) {
                // read to the end
            }
            assertThat(decided.absent()).hasSize(1);
        }
        assertThat(new LogRepair(disk, DIRECTORY, PREFIX, "a test").run().lost())
                .containsExactly(missing);
        assertThat(bodies(readAll(disk))).hasSize(4);
        assertThat(verify(disk).isComplete()).isTrue();
    }

    /**
     * Checks that a refused group in a rotated segment is not taken for the missing records of the next segment, which
     * has the same name.
     */
    @Test
    void read_absentSegmentAfterARotatedOneOfItsName_isWhatIsMissing() throws IOException {
        disk.meddleBefore(1, () -> disk.moveAway(ACTIVE, ACTIVE + ".1"));
        disk.failOperation(1, Fault.EIO);
        assertThat(log.append(entry(8, 4_000), entry(9, 7_000)).failure).isNotNull();
        for (int seed = 1; seed <= 3; seed++) {
            assertThat(log.append(entry(seed, 5_000)).failure).isNull();
        }
        disk.kill();
        SimulatedLog.open(disk).append(entry("B"));
        assertThat(readAll(disk)).extracting(LogRecord::sequence).containsExactly(1L, 2L, 3L, 4L);

        disk.moveAway(ACTIVE, "moved");

        assertAbsent(disk, "segment " + ACTIVE + " is missing, with record 1");
    }

    @Test
    void read_decidedSegmentThatIsThereAndDamaged_isDamage() throws IOException {
        append(3);
        log.log.close();
        byte[] content = disk.content(ACTIVE);
        content[10_000] ^= 1;
        disk.put(ACTIVE, content);
        SimulatedLog again = SimulatedLog.open(disk);

        try (LogReader reader = again.log.read(1, OnDamage.STOP, 100)) {
            assertThatThrownBy(reader::next).isInstanceOf(DamagedLogException.class);
        }
    }

    @Test
    void removedBeforeItHadRecords_theNextTakesItsName() throws IOException {
        disk.remove(ACTIVE);

        leave();

        assertThat(log.append(entry("first")).firstSequence).isEqualTo(1);
        assertThat(disk.names()).contains(ACTIVE).noneMatch(name -> name.contains("broken"));
        assertThat(bodies(readAll(disk))).containsExactly("first");
    }

    /** Makes each operation fail with which the log replaces an empty segment after a failed group. */
    @Test
    void replacedByTheLogItself_whichThenFailed_isNotReported() throws IOException {
        boolean reached = true;
        for (int n = 0; reached; n++) {
            int operation = n;
            SimulatedDisk failing = new SimulatedDisk(new Random(1));
            List<String> vanished = new ArrayList<>();
            SimulatedLog replaced = SimulatedLog.open(failing, options(), new Clock(), new LogListener() {
                private boolean isArmed;

                @Override
                public void failed(IOException cause) {
                    if (!isArmed) {
                        isArmed = true;
                        failing.failOperation(operation, Fault.EIO);
                    }
                }

                @Override
                public void vanished(String segment, @Nullable String renamedTo) {
                    vanished.add(segment);
                }
            });
            failing.failOperation(0, Fault.EIO);
            assertThat(replaced.append(entry("refused")).failure).isNotNull();
            reached = failing.faultHappened();
            failing.failNothing();

            replaced.log.watchStep();
            replaced.log.step();

            assertThat(vanished).as("operation %d", n).isEmpty();
            assertThat(failing.names()).as("operation %d", n).noneMatch(name -> name.contains(".broken"));
            assertThat(replaced.append(entry("taken")).firstSequence).isEqualTo(1);
            assertThat(bodies(readAll(failing))).containsExactly("taken");
        }
    }

    @Test
    void replacedByAnEmptyFile_thatIsLeftAlone() throws IOException {
        append(3);
        disk.moveAway(ACTIVE, "moved");
        disk.put(ACTIVE, new byte[0]);

        leave();

        assertThat(disk.names()).contains(ACTIVE).doesNotContain(ACTIVE + ".broken");
        log.append(entry("next"));
        log.log.close();
        SimulatedLog.open(disk);
    }

    @Test
    void replacedByACopy_thatIsKeptAsTheSegment() throws IOException {
        append(3);
        disk.put(ACTIVE, disk.content(ACTIVE));

        leave();
        log.append(entry("next"));

        assertThat(readAll(disk)).extracting(LogRecord::sequence).containsExactly(1L, 2L, 3L, 4L);
    }

    @Test
    void emptiedInPlace_isSeenByTheWatch_andReportedOnce() {
        append(3);
        disk.empty(ACTIVE);
        assertThat(log.log.watchStep()).isFalse();
        append(1);
        assertThat(reported).hasSize(1);
        assertThat(log.log.watchStep()).isTrue();
    }

    @Test
    void emptiedAndWrittenTo_isSeenByItsBeginning() {
        append(3);
        disk.empty(ACTIVE);
        append(1);
        assertThat(disk.content(ACTIVE).length).isGreaterThan(20_000);

        leave();

        assertThat(disk.names()).contains(ACTIVE + ".broken");
    }

    @Test
    void moved_listenerFails_nothingIsAcknowledgedUntilItSucceeds() throws IOException {
        append(3);
        disk.moveAway(ACTIVE, "moved");
        flushFails = true;
        log.log.watchStep();
        Recorded refused = log.append(entry("refused"));
        assertThat(refused.failure).hasMessage("injected: the store");
        flushFails = false;

        assertThat(log.append(entry("taken")).firstSequence).isEqualTo(4);

        assertThat(disk.names().stream().filter(VanishedSegmentTest::isSegment)).hasSize(1);
    }

    @Test
    void movedRightBeforeClose_isReportedByClose() throws IOException {
        append(3);
        disk.moveAway(ACTIVE, "moved");

        log.log.close();

        assertThat(reported).hasSize(1);
        assertThat(SimulatedLog.open(disk).append(entry("next")).firstSequence).isEqualTo(4);
    }

    @Test
    void onARealDisk_theWatchReportsTheMovedSegment(@TempDir Path directory) throws Exception {
        List<String> seen = new CopyOnWriteArrayList<>();
        LogListener listener = new LogListener() {
            @Override
            public void vanished(String segment, @Nullable String renamedTo) {
                seen.add(segment);
            }
        };
        LogOptions options = LogOptions.of(directory, "inbox", "policy-1");
        try (Log real = Log.start(new DiskFiles(), options, listener)) {
            Waiting first = Waiting.append(real, "one");
            first.end().get();
            Path active;
            try (var listed = Files.list(directory)) {
                active = listed.filter(path -> isSegment(path.toString()))
                        .findFirst()
                        .orElseThrow();
            }
            Files.move(active, directory.resolve("moved"));

            await().until(() -> !seen.isEmpty());
            Waiting next = Waiting.append(real, "two");

            assertThat(next.end().get()).isEqualTo(2);
            assertThat(seen).containsExactly(String.valueOf(active.getFileName()));
        }
    }
}
