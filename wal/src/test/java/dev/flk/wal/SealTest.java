// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

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
        log.append(SimulatedLog.entry("one"), SimulatedLog.entry("two"));
        assertThat(seal(log)).isCompleted();
        Retention retention = new Retention(
                disk,
                SimulatedLog.DIRECTORY,
                SimulatedLog.PREFIX,
                Duration.ofDays(1),
                context -> Duration.ZERO,
                () -> Instant.ofEpochMilli(log.clock.millis));
        assertThat(retention.step(2)).isEqualTo(Done.REMOVED);
        log.append(SimulatedLog.entry("three"));
        assertThat(SimulatedLog.bodies(SimulatedLog.readAll(disk, 3))).containsExactly("three");
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
        log.append(SimulatedLog.entry("one"));
        disk.failOperation(0, Fault.ENOSPC);
        assertThat(seal(log)).isCompletedExceptionally();
        assertThat(log.append(SimulatedLog.entry("two")).acknowledged()).isTrue();
        assertThat(SimulatedLog.bodies(SimulatedLog.readAll(disk))).containsExactly("one", "two");
    }

    @Test
    void seal_closedLog_isRefused() throws IOException {
        SimulatedLog log = open();
        log.log.close();
        assertThat(log.log.seal()).isCompletedExceptionally();
    }
}
