// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.DIRECTORY;
import static dev.flk.wal.SimulatedLog.PREFIX;
import static dev.flk.wal.SimulatedLog.bodies;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.readAll;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.wal.Retention.Done;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

final class SealTest {
    private final SimulatedDisk disk = new SimulatedDisk(new Random(1));

    private SimulatedLog open() throws IOException {
        return SimulatedLog.open(disk);
    }

    private long segments() {
        return disk.names().stream().filter(name -> name.endsWith(".wal")).count();
    }

    private static CompletableFuture<Void> seal(SimulatedLog log) {
        CompletableFuture<Void> sealed = log.log.seal();
        log.log.step();
        return sealed;
    }

    @Test
    void seal_segmentWithRecords_canBeRemovedThen() throws IOException {
        SimulatedLog log = open();
        log.append(entry("one"), entry("two"));
        assertThat(seal(log)).isCompleted();
        Retention retention = new Retention(
                disk,
                DIRECTORY,
                PREFIX,
                Duration.ofDays(1),
                context -> Duration.ZERO,
                () -> Instant.ofEpochMilli(log.clock.millis));
        assertThat(retention.step(2)).isEqualTo(Done.REMOVED);
        log.append(entry("three"));
        assertThat(bodies(readAll(disk, 3))).containsExactly("three");
    }

    @Test
    void seal_nothingWritten_keepsTheSegment() throws IOException {
        SimulatedLog log = open();
        assertThat(seal(log)).isCompleted();
        assertThat(seal(log)).isCompleted();
        assertThat(segments()).isEqualTo(1);
    }

    @Test
    void seal_diskRefuses_isTold_andTheNextAppendIsTaken() throws IOException {
        SimulatedLog log = open();
        log.append(entry("one"));
        disk.failOperation(0, Fault.ENOSPC);
        assertThat(seal(log)).isCompletedExceptionally();
        assertThat(log.append(entry("two")).acknowledged()).isTrue();
        assertThat(bodies(readAll(disk))).containsExactly("one", "two");
    }

    @Test
    void seal_askedTwiceBeforeAStep_completesBoth() throws IOException {
        SimulatedLog log = open();
        log.append(entry("one"));
        CompletableFuture<Void> first = log.log.seal();
        assertThat(seal(log)).isCompleted();
        assertThat(first).isCompleted();
        assertThat(segments()).isEqualTo(2);
    }

    @Test
    void seal_closedLog_isRefused() throws IOException {
        SimulatedLog log = open();
        log.log.close();
        assertThat(log.log.seal()).isCompletedExceptionally();
    }
}
