// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.SIZES;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.SimulatedLog.Recorded;
import dev.flk.wal.files.DiskFullException;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

final class LogTest {
    private final SimulatedDisk disk = new SimulatedDisk(new Random(1));

    @Test
    void append_toNewLog_sequencesFromOneWithoutGap() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        assertThat(log.append(entry("a"), entry("b")).firstSequence).isEqualTo(1);
        assertThat(log.append(entry("c")).firstSequence).isEqualTo(3);
        List<LogRecord> records = readAll(disk);
        assertThat(records).extracting(LogRecord::sequence).containsExactly(1L, 2L, 3L);
        assertThat(records).extracting(LogRecord::group).containsExactly(1L, 1L, 3L);
        assertThat(bodies(records)).containsExactly("a", "b", "c");
    }

    @Test
    void segment_name_hasDayAndFirstSequence() throws IOException {
        SimulatedLog.open(disk);
        assertThat(disk.names()).contains("inbox-20261120-0000000000000001.wal");
    }

    @Test
    void segment_isReadableAsText() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        log.append(entry("{\"a\":1}"));
        String text = new String(disk.content("inbox-20261120-0000000000000001.wal"), StandardCharsets.UTF_8);
        assertThat(text.lines().toList())
                .contains("format 2", "first 1", "next 1", "previous - 0 -", "context policy-1", "{\"a\":1}");
        assertThat(text).containsPattern("flk1 [0-9a-f]{8} 7 1 1 1700000000000 s k1\n");
    }

    @Test
    void header_fillsWholeBlocks() throws IOException {
        SimulatedLog.open(disk);
        assertThat(disk.content("inbox-20261120-0000000000000001.wal").length).isEqualTo(SimulatedLog.HEADER_BYTES);
    }

    @Test
    void append_severalQueued_shareOneGroup() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        Recorded first = new Recorded(entry("a"));
        Recorded second = new Recorded(entry("b"));
        log.log.append(first);
        log.log.append(second);
        assertThat(first.acknowledged()).isFalse();
        log.log.step();
        assertThat(second.firstSequence).isEqualTo(2);
        assertThat(readAll(disk)).extracting(LogRecord::group).containsExactly(1L, 1L);
    }

    @Test
    void append_beyondQueueBound_isRefusedWithoutACall_andAcceptedAfterTheNextStep() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk, options(SIZES.withQueue(1000, 1000)), new Clock());
        assertThat(log.log.append(new Recorded(entry(1, 900)))).isTrue();
        Recorded refused = new Recorded(entry(2, 900));
        assertThat(log.log.append(refused)).isFalse();
        log.log.step();
        assertThat(refused.acknowledged()).isFalse();
        assertThat(refused.failure).isNull();
        assertThat(log.log.append(refused)).isTrue();
    }

    @Test
    void append_largerThanQueueBound_isTakenAlone() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk, options(SIZES.withQueue(100, 100)), new Clock());
        assertThat(log.append(entry(1, 5000)).acknowledged()).isTrue();
    }

    @Test
    void append_moreThanAGroupQueued_isSplitIntoGroups() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk, options(SIZES.withQueue(100_000, 2_000)), new Clock());
        for (int i = 0; i < 4; i++) {
            log.log.append(new Recorded(entry(i, 700)));
        }
        log.log.step();
        log.log.step();
        assertThat(log.log.step()).isFalse();
        assertThat(readAll(disk)).extracting(LogRecord::group).containsExactly(1L, 1L, 3L, 3L);
    }

    @Test
    void restart_continuesSequenceAndKeepsContextOfEachRecord() throws IOException {
        SimulatedLog.open(disk).append(entry("a"), entry("b"));
        disk.kill();
        LogOptions changed = LogOptions.of(DIRECTORY, "inbox", "policy-2").with(SIZES);
        SimulatedLog again = SimulatedLog.open(disk, changed, new Clock());
        assertThat(again.append(entry("c")).firstSequence).isEqualTo(3);
        List<LogRecord> records = readAll(disk);
        assertThat(bodies(records)).containsExactly("a", "b", "c");
        assertThat(records).extracting(LogRecord::context).containsExactly("policy-1", "policy-1", "policy-2");
        assertThat(records).extracting(LogRecord::group).containsExactly(1L, 1L, 3L);
    }

    @Test
    void restart_tenTimesWithoutAppend_keepsOneSegmentMore() throws IOException {
        SimulatedLog.open(disk).append(entry("a"));
        for (int i = 0; i < 10; i++) {
            disk.kill();
            SimulatedLog.open(disk);
        }
        assertThat(bodies(readAll(disk))).containsExactly("a");
        assertThat(disk.names()).filteredOn(name -> name.endsWith(".wal")).hasSize(2);
    }

    @Test
    void restart_afterClose_readsTheSameAndSetsNothingAside() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        log.append(entry("a"));
        log.log.close();
        SimulatedLog.open(disk);
        assertThat(bodies(readAll(disk))).containsExactly("a");
        assertThat(disk.names()).noneMatch(name -> name.contains(".broken"));
    }

    @Test
    void rotation_bySize_cutsTheSegmentToItsLength() throws IOException {
        LogOptions options =
                options(SIZES.withSegments(14_000, Duration.ofDays(1)).withFillAhead(64 * 1024));
        SimulatedLog log = SimulatedLog.open(disk, options, new Clock());
        assertThat(log.log.fillStep()).isTrue();
        assertThat(disk.content("inbox-20261120-0000000000000001.wal").length)
                .isEqualTo(SimulatedLog.HEADER_BYTES + 64 * 1024);
        for (int i = 0; i < 4; i++) {
            log.append(entry(i, 3000));
        }
        assertThat(disk.names()).contains("inbox-20261120-0000000000000001.wal", "inbox-20261120-0000000000000003.wal");
        assertThat(disk.content("inbox-20261120-0000000000000001.wal").length).isBetween(14_000, 15_000);
        assertThat(readAll(disk)).hasSize(4);
    }

    @Test
    void rotation_byAge_onlyOnceThereAreRecords() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        log.clock.advance(Duration.ofDays(2));
        log.append(entry("a"));
        assertThat(disk.names()).filteredOn(name -> name.endsWith(".wal")).hasSize(1);
        log.append(entry("b"));
        assertThat(disk.names()).contains("inbox-20261122-0000000000000002.wal");
        assertThat(bodies(readAll(disk))).containsExactly("a", "b");
    }

    @Test
    void read_fromSequence_startsThere() throws IOException {
        LogOptions options = options(SIZES.withSegments(9_000, Duration.ofDays(1)));
        SimulatedLog log = SimulatedLog.open(disk, options, new Clock());
        for (int i = 0; i < 20; i++) {
            log.append(entry(i, 700));
        }
        for (int from = 1; from <= 21; from++) {
            assertThat(readAll(disk, from))
                    .extracting(LogRecord::sequence)
                    .containsExactlyElementsOf(
                            LongStream.rangeClosed(from, 20).boxed().toList());
        }
    }

    @Test
    void read_byTheLog_endsAtWhatWasForcedWhenItWasOpened() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        log.append(entry("a"));
        try (LogReader reader = log.log.read(1, OnDamage.STOP)) {
            log.append(entry("b"));
            assertThat(reader.next().sequence()).isEqualTo(1);
            assertThat(reader.next()).isNull();
            assertThat(reader.next()).isNull();
        }
    }

    @Test
    void fillAhead_zerosAreNoRecords() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk, options(SIZES.withFillAhead(8192)), new Clock());
        log.log.fillStep();
        log.append(entry("a"));
        disk.kill();
        SimulatedLog again = SimulatedLog.open(disk);
        again.append(entry("b"));
        assertThat(bodies(readAll(disk))).containsExactly("a", "b");
        assertThat(disk.names()).noneMatch(name -> name.contains(".broken"));
    }

    @Test
    void failedForce_nextGroupGoesToAnotherSegment_whichRepeatsTheAnsweredRecord() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        log.append(entry("answered"));
        disk.failOperation(1, SimulatedDisk.Fault.EIO); // 0 is the write, 1 the force
        Recorded failed = log.append(entry("refused"));
        assertThat(failed.failure).hasMessageContaining("Input/output error");
        Recorded next = log.append(entry("next"));
        assertThat(next.firstSequence).isEqualTo(2);
        assertThat(bodies(readAll(disk))).containsExactly("answered", "next");
        assertThat(new String(disk.content("inbox-20261120-0000000000000002.wal"), StandardCharsets.UTF_8))
                .contains("carried 1\n", "answered", "first 1\n", "next 2\n");
    }

    @Test
    void failedForceOfZerosAhead_nextAppendGoesToAnotherSegment() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk, options(SIZES.withFillAhead(8192)), new Clock());
        log.append(entry("answered"));
        // 0 opens the file, 1 checks its identity, 2 queries the free space, 3 writes, 4 forces
        disk.failOperation(4, SimulatedDisk.Fault.EIO);
        log.log.fillStep();
        assertThat(log.append(entry("next")).acknowledged()).isTrue();
        assertThat(disk.names()).contains("inbox-20261120-0000000000000002.wal");
        assertThat(bodies(readAll(disk))).containsExactly("answered", "next");
    }

    @Test
    void diskFullWhileFilling_appendsGoOnInTheSameSegment() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk, options(SIZES.withFillAhead(8192)), new Clock());
        disk.failOperation(3, SimulatedDisk.Fault.ENOSPC);
        assertThat(log.log.fillStep()).isTrue();
        assertThat(log.log.fillStep()).isFalse();
        assertThat(log.append(entry("a")).acknowledged()).isTrue();
        assertThat(disk.names()).filteredOn(name -> name.endsWith(".wal")).hasSize(1);
    }

    @Test
    void fillAhead_goesInSmallStepsUntilItIsFarEnough() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk, options(SIZES.withFillAhead(1 << 20)), new Clock());
        for (int step = 1; step <= 4; step++) {
            assertThat(log.log.fillStep()).isTrue();
            assertThat(disk.content("inbox-20261120-0000000000000001.wal"))
                    .hasSize(SimulatedLog.HEADER_BYTES + step * 256 * 1024);
        }
        assertThat(log.log.fillStep()).isFalse();
        log.append(entry("a"));
        assertThat(log.log.fillStep()).isTrue();
        assertThat(log.log.fillStep()).isFalse();
        assertThat(bodies(readAll(disk))).containsExactly("a");
    }

    @Test
    void fillAhead_leavesFreeWhatMustStayFree() throws IOException {
        LogSizes sizes = SIZES.withFillAhead(8192).withKeepFree(100_000);
        SimulatedLog log = SimulatedLog.open(disk, options(sizes), new Clock());
        disk.setUsableBytes(108_191);
        log.log.fillStep();
        assertThat(disk.content("inbox-20261120-0000000000000001.wal")).hasSize(SimulatedLog.HEADER_BYTES);
        assertThat(log.append(entry("a")).acknowledged()).isTrue();
    }

    @Test
    void diskFull_tellsSoAndRecoversByItself() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        disk.failOperation(0, SimulatedDisk.Fault.ENOSPC);
        assertThat(log.append(entry("a")).failure).isInstanceOf(DiskFullException.class);
        assertThat(log.append(entry("b")).firstSequence).isEqualTo(1);
        assertThat(bodies(readAll(disk))).containsExactly("b");
    }

    @Test
    void open_twice_secondIsRefused() throws IOException {
        SimulatedLog.open(disk);
        assertThatThrownBy(() -> SimulatedLog.open(disk)).isInstanceOf(LogLockedException.class);
    }

    @Test
    void open_otherFormat_saysWhich() throws IOException {
        SimulatedLog.open(disk);
        disk.kill();
        SegmentHeader header = new SegmentHeader("0123456789abcdef", "-", 9, 1, 1, "-", 0, "-", "p", 1, List.of());
        byte[] bytes = new String(header.encode().array(), StandardCharsets.ISO_8859_1)
                .replace("format 2\n", "format 7\n")
                .getBytes(StandardCharsets.ISO_8859_1);
        disk.put("inbox-20261120-0000000000000009.wal", Checksums.mend(bytes));
        assertThatThrownBy(() -> SimulatedLog.open(disk))
                .hasMessageContaining(
                        "'format 7', but this program reads only 'format 2'; use the version that wrote it");
    }

    @Test
    void closed_byteOfTheLastGroupChanged_isDamageAndNoTornTail() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        log.append(entry("answered"));
        log.log.close();
        String name = "inbox-20261120-0000000000000001.wal";
        byte[] changed = disk.content(name);
        changed[changed.length - 3] ^= 1;
        disk.put(name, changed);
        assertThatThrownBy(() -> readAll(disk)).isInstanceOf(DamagedLogException.class);
    }

    @Test
    void close_thenAppend_isRefused() throws IOException {
        SimulatedLog log = SimulatedLog.open(disk);
        log.log.close();
        log.log.close();
        assertThat(log.log.append(new Recorded(entry("a")))).isFalse();
    }
}
