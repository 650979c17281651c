// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.EACH;
import static dev.flk.wal.SimulatedLog.SIZES;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.SimulatedLog.Recorded;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Tests that repeat a short life of a log (start, groups, zeros ahead, rotation, sealing, restart, groups) and fail
 * each of its file operations in turn, followed by a kill or a power loss, a restart and an audit.
 */
final class FaultAtEveryOperationTest {
    private static final int POWER_LOSSES = EACH == 1 ? 5 : 1;

    @ParameterizedTest
    @EnumSource(Fault.class)
    void everyOperation_failing_losesNothingAcknowledged(Fault fault) throws IOException {
        int faults = 0;
        for (long n = 0; ; n++) {
            if (!run(fault, n, -1)) {
                break;
            }
            for (int seed = 0; seed < POWER_LOSSES; seed++) {
                run(fault, n, seed);
            }
            faults++;
        }
        assertThat(faults).isGreaterThan(200); // both lives have more than a hundred
    }

    /** Returns whether the operation was reached. */
    private static boolean run(Fault fault, long number, long powerLossSeed) throws IOException {
        SimulatedDisk disk = new SimulatedDisk(new Random(number * 31 + powerLossSeed));
        List<Recorded> appends = new ArrayList<>();
        disk.failOperation(number, fault);
        if (life(disk, appends, 0)) {
            disk.kill();
            if (!disk.faultHappened()) {
                disk.failOperation(number - disk.operations(), fault);
            }
            life(disk, appends, 100);
        }
        boolean reached = disk.faultHappened();
        if (powerLossSeed >= 0) {
            disk.losePower();
        } else {
            disk.kill();
        }
        audit(disk, appends);
        return reached;
    }

    /** Returns false if the process died or the log could not be opened or closed. */
    private static boolean life(SimulatedDisk disk, List<Recorded> appends, int firstSeed) {
        try {
            LogOptions options =
                    options(SIZES.withSegments(13_000, Duration.ofDays(1)).withFillAhead(4096));
            SimulatedLog log = SimulatedLog.open(disk, options, new Clock());
            for (int i = 0; i < 9; i++) {
                Recorded first = new Recorded(entry(firstSeed + 3 * i, 200 * i));
                Recorded second = new Recorded(entry(firstSeed + 3 * i + 1, 50), entry(firstSeed + 3 * i + 2, 9));
                appends.add(first);
                appends.add(second);
                log.log.append(first);
                log.log.append(second);
                log.log.step();
                log.log.fillStep();
                if (i == 4) {
                    var unused = log.log.seal();
                    log.log.step();
                }
            }
            log.log.close();
            return true;
        } catch (SimulatedDisk.Killed | IOException e) {
            return false;
        }
    }

    private static void audit(SimulatedDisk disk, List<Recorded> appends) throws IOException {
        Audit.acknowledgedIsThere(readAll(disk), appends);
        SimulatedLog log = SimulatedLog.open(disk);
        List<LogRecord> records = readAll(disk);
        Audit.acknowledgedIsThere(records, appends);
        Recorded next = log.append(entry("next"));
        assertThat(next.firstSequence).isEqualTo(records.size() + 1);
    }
}
