// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.SimulatedLog.Recorded;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Histories of the log that broke earlier drafts of its rules, each with several outcomes of the loss of power. */
final class HistoriesTest {
    /** Behind the write of a group. */
    private static final int FORCE = 1;

    /** Behind cutting and forcing the segment before, creating the next one, and writing its header. */
    private static final int HEADER_FORCE = 4;

    /** A record whose force failed stands in the page cache: a start that reads it must force a copy before it acts on it. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void history1_cacheAfterAFailedForce(long seed) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(seed));
        SimulatedLog log = SimulatedLog.open(disk);
        disk.failOperation(FORCE, Fault.EIO);
        log.log.append(new Recorded(SimulatedLog.entry("A")));
        log.log.step();
        disk.kill();
        SimulatedLog.open(disk);
        List<String> actedOn = SimulatedLog.bodies(SimulatedLog.readAll(disk));
        disk.losePower();
        SimulatedLog.open(disk);
        assertThat(SimulatedLog.bodies(SimulatedLog.readAll(disk))).isEqualTo(actedOn);
    }

    /** A later force in the same block fails, its successor repeats the record, and the loss of power tears the first copy. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void history2_tornCopies(long seed) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(seed));
        SimulatedLog log = SimulatedLog.open(disk);
        assertThat(log.append(SimulatedLog.entry("A")).acknowledged()).isTrue();
        disk.failOperation(FORCE, Fault.EIO);
        assertThat(log.append(SimulatedLog.entry("refused")).failure).isNotNull();
        assertThat(log.append(SimulatedLog.entry("B")).acknowledged()).isTrue();
        disk.losePower();
        SimulatedLog.open(disk);
        assertThat(SimulatedLog.bodies(SimulatedLog.readAll(disk))).containsExactly("A", "B");
    }

    /** Repeated records keep the policy that they were logged with. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void history3_copiesUnderOnePolicy(long seed) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(seed));
        SimulatedLog.open(disk).append(SimulatedLog.entry("A"));
        for (int policy = 2; policy < 5; policy++) {
            disk.losePower();
            LogOptions options = LogOptions.of(SimulatedLog.DIRECTORY, SimulatedLog.PREFIX, "policy-" + policy)
                    .with(SimulatedLog.SIZES);
            SimulatedLog.open(disk, options, new Clock());
            assertThat(SimulatedLog.readAll(disk))
                    .extracting(LogRecord::context)
                    .containsExactly("policy-1");
        }
    }

    /** A header's force fails, another segment is opened, and the loss of power leaves what it likes of the first. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void history4_twoFailedHeaders(long seed) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(seed));
        // every group goes to a segment of its own
        LogSizes sizes = SimulatedLog.SIZES.withSegments(1, Duration.ofDays(1));
        SimulatedLog log = SimulatedLog.open(disk, SimulatedLog.options(sizes), new Clock());
        assertThat(log.append(SimulatedLog.entry("A")).acknowledged()).isTrue();
        disk.failOperation(HEADER_FORCE, Fault.EIO);
        assertThat(log.append(SimulatedLog.entry("refused")).failure).isNotNull();
        assertThat(disk.faultHappened()).isTrue();
        assertThat(log.append(SimulatedLog.entry("B")).acknowledged()).isTrue();
        disk.losePower();
        SimulatedLog.open(disk);
        assertThat(SimulatedLog.bodies(SimulatedLog.readAll(disk))).containsExactly("A", "B");
    }
}
