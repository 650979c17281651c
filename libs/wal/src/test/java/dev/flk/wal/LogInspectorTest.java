// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.destroyHeader;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.inspector;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.wal.LogInspector.LogListing;
import dev.flk.wal.LogInspector.LogListing.Kind;
import dev.flk.wal.LogInspector.LogListing.OtherFile;
import dev.flk.wal.LogInspector.SegmentSummary;
import dev.flk.wal.LogInspector.SegmentSummary.State;
import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.TornTail;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of what an inspector reports about complete, damaged and unfinished logs. */
final class LogInspectorTest {
    private final VariedLog varied = new VariedLog();
    private final SimulatedDisk disk = varied.disk;

    LogInspectorTest() throws IOException {}

    @Test
    void list_tellsRangesAndStates() throws IOException {
        assertThat(list().segments())
                .extracting(
                        SegmentSummary::name,
                        SegmentSummary::ordinal,
                        SegmentSummary::first,
                        SegmentSummary::next,
                        SegmentSummary::end,
                        SegmentSummary::carried,
                        SegmentSummary::state)
                .containsExactly(
                        tuple(varied.oldest, 1L, 1L, 1L, 8L, 0, State.COMPLETE),
                        tuple(varied.failed, 2L, 8L, 8L, 8L, 0, State.SUPERSEDED),
                        tuple(varied.newest, 3L, 8L, 11L, 17L, 3, State.NEWEST));
    }

    @Test
    void list_tellsBytesTimeAndContext() throws IOException {
        SegmentSummary oldest = list().segments().get(0);

        assertThat(oldest.bytes()).isEqualTo(disk.content(varied.oldest).length);
        assertThat(oldest.openedMillis()).isEqualTo(new Clock().millis);
        assertThat(oldest.context()).isEqualTo("policy-1");
        assertThat(oldest.records()).isEqualTo(7);
    }

    @Test
    void list_segmentThatFailedBehindWhatCounts_isFailed() throws IOException {
        SimulatedDisk other = new SimulatedDisk(new Random(5));
        SimulatedLog log = SimulatedLog.open(other);
        log.append(entry(1, 5_000));
        log.append(entry(2, 5_000));
        other.failOperation(1, SimulatedDisk.Fault.EIO);
        log.append(entry(3, 10));
        log.append(entry(4, 10));

        assertThat(inspector(other).list().segments())
                .extracting(SegmentSummary::state, SegmentSummary::end)
                .containsExactly(tuple(State.FAILED, 2L), tuple(State.NEWEST, 4L));
    }

    @Test
    void list_afterTwoStartsWithoutARecord_earlierSegmentIsComplete() throws IOException {
        SimulatedLog.open(disk);
        disk.kill();
        SimulatedLog.open(disk);

        assertThat(list().segments())
                .extracting(SegmentSummary::state)
                .containsExactly(State.COMPLETE, State.SUPERSEDED, State.COMPLETE, State.NEWEST);
    }

    @Test
    void list_successorMissing_isDetached() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        log.append(entry("more"));
        disk.delete(Path.of(varied.newest));

        assertThat(list().segments())
                .extracting(SegmentSummary::state)
                .containsExactly(State.COMPLETE, State.DETACHED, State.NEWEST);
    }

    @Test
    void list_otherFiles_areToldApart() throws IOException {
        destroyHeader(disk, varied.newest);
        disk.put("inbox-20261120-0000000000000099.wal", new byte[5_000]);
        disk.put("inbox-copy.wal", new byte[5]);
        disk.put("inbox-20261120-0000000000000005.wal.broken.2", new byte[5]);
        disk.put("inbox-opening-9", new byte[5]);
        disk.put("lock", new byte[5]);
        disk.put("outbox-20261120-0000000000000001.wal", new byte[5]);

        assertThat(list().others())
                .containsExactly(
                        new OtherFile("inbox-20261120-0000000000000005.wal.broken.2", Kind.SET_ASIDE),
                        new OtherFile(varied.newest, Kind.BROKEN_HEADER),
                        new OtherFile("inbox-20261120-0000000000000099.wal", Kind.BROKEN_HEADER),
                        new OtherFile("inbox-copy.wal", Kind.NO_SEGMENT),
                        new OtherFile("inbox-opening-9", Kind.OPENING),
                        new OtherFile("outbox-20261120-0000000000000001.wal", Kind.FOREIGN));
    }

    @Test
    void verify_wholeLog_countsAllAndMissesNothing() throws IOException {
        assertThat(verify()).isEqualTo(new Verification(16, 1, 16, List.of(), List.of(), null, List.of(), List.of()));
    }

    @Test
    void verify_everyDamage_isListedWithItsPlace() throws IOException {
        long second = offsetOf(2);
        long fifth = offsetOf(5);
        long twelfth = offsetOf(12);
        flip(varied.oldest, second + 3);
        flip(varied.oldest, fifth + 3);
        flip(varied.newest, twelfth);

        Verification found = verify();

        assertThat(found.damages())
                .containsExactly(
                        new Damage(varied.oldest, second, 2, 2),
                        new Damage(varied.oldest, fifth, 5, 5),
                        new Damage(varied.newest, twelfth, 12, 12));
        assertThat(found.records()).isEqualTo(13);
        assertThat(found.missing()).isEqualTo(3);
        assertThat(found.isComplete()).isFalse();
    }

    @Test
    void verify_nothingButAFileWithABrokenHeader_isAllMissing() throws IOException {
        destroyHeader(disk, varied.oldest);
        disk.delete(Path.of(varied.failed));
        disk.delete(Path.of(varied.newest));

        assertThat(verify().damages()).containsExactly(new Damage(varied.oldest, 0, 1, 7));
    }

    @Test
    void verify_twoBrokenHeadersAtTheEnd_missesAllOfBoth() throws IOException {
        SimulatedLog.open(disk).append(entry("more"));
        String last = list().segments().get(3).name();
        disk.delete(Path.of(varied.failed));
        destroyHeader(disk, varied.newest);
        destroyHeader(disk, last);

        assertThat(verify().damages())
                .extracting(Damage::firstMissing, Damage::lastMissing)
                .containsExactly(tuple(8L, 10L), tuple(11L, 17L));
    }

    @Test
    void verify_cutInTheLastGroup_isATornTailAndNoDamage() throws IOException {
        byte[] complete = disk.content(varied.newest);
        long last = offsetOf(16);
        disk.put(varied.newest, Arrays.copyOf(Arrays.copyOf(complete, complete.length - 1), complete.length + 9_000));

        Verification found = verify();

        assertThat(found.isComplete()).isTrue();
        assertThat(found.last()).isEqualTo(15);
        assertThat(found.tornTail()).isEqualTo(new TornTail(varied.newest, last, complete.length - 1 - last, 16, 0));
    }

    @Test
    void verify_changedByteInTheLastGroup_isATornTailThatTellsWhatStandsBehind() throws IOException {
        long second = offsetOf(15);
        flip(varied.newest, second + 3);

        TornTail tail = verify().tornTail();

        assertThat(tail.offset()).isEqualTo(second);
        assertThat(tail.sequence()).isEqualTo(15);
        assertThat(tail.lastComplete()).isEqualTo(16);
    }

    @Test
    void walk_segmentRemovedUnderIt_goesOnBehind() throws IOException {
        List<Long> read = new ArrayList<>();
        try (LogWalk walk = inspector(disk).walk(1)) {
            read.add(walk.next().sequence());
            disk.delete(Path.of(varied.failed));
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                read.add(record.sequence());
            }
            assertThat(walk.damages()).isEmpty();
        }
        assertThat(read).isEqualTo(LongStream.rangeClosed(1, 16).boxed().toList());
    }

    @Test
    void walk_fromTheMiddle_beginsThere() throws IOException {
        try (LogWalk walk = inspector(disk).walk(9)) {
            assertThat(walk.next().sequence()).isEqualTo(9);
            assertThat(walk.damages()).isEmpty();
        }
    }

    @Test
    void everyLook_changesNothing() throws IOException {
        flip(varied.oldest, offsetOf(2) + 3);
        SimulatedDisk before = disk.copy();

        list();
        verify();

        assertThat(disk.names()).isEqualTo(before.names());
        assertThat(disk.names())
                .allSatisfy(name -> assertThat(disk.content(name)).isEqualTo(before.content(name)));
    }

    @Test
    void verify_besideTheOwner_needsNoLock() throws IOException {
        SimulatedLog owner = SimulatedLog.open(disk);
        owner.append(entry("more"));

        assertThat(verify().last()).isEqualTo(17);
        assertThat(owner.append(entry("yet more")).acknowledged()).isTrue();
        assertThat(verify().last()).isEqualTo(18);
    }

    @Test
    void list_directoryMissing_saysWhich(@TempDir Path parent) {
        Path missing = parent.resolve("wal");

        assertThatThrownBy(() -> new LogInspector(new DiskFiles(), missing, "inbox").list())
                .isInstanceOf(NoSuchFileException.class)
                .hasMessage(missing.toString());
    }

    @Test
    void list_emptyDirectory_isEmpty(@TempDir Path empty) throws IOException {
        assertThat(new LogInspector(new DiskFiles(), empty, "inbox").list().isEmpty())
                .isTrue();
    }

    private LogListing list() throws IOException {
        return inspector(disk).list();
    }

    private Verification verify() throws IOException {
        return SimulatedLog.verify(disk);
    }

    private void flip(String name, long at) {
        SimulatedLog.flip(disk, name, at);
    }

    private long offsetOf(long sequence) throws IOException {
        return SimulatedLog.offsetOf(disk, sequence);
    }
}
