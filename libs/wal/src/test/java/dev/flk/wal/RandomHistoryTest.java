// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.SIZES;
import static dev.flk.wal.SimulatedLog.entry;
import static dev.flk.wal.SimulatedLog.options;
import static dev.flk.wal.SimulatedLog.readAll;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.wal.SimulatedLog.Clock;
import dev.flk.wal.SimulatedLog.Recorded;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Tests of random lives of a log: groups, zeros ahead, faults, kills, power losses and restarts in any order, with an
 * audit after each restart. {@code -Dflk.seeds=N} runs N histories instead of 1,000; a failing seed is reported and can
 * be run alone with {@code -Dflk.seed=S}.
 */
final class RandomHistoryTest {
    private static final List<Fault> FAULTS = List.of(Fault.values());

    @Test
    void acknowledged_isNeverLost() {
        Long only = Long.getLong("flk.seed");
        histories(only == null ? 0 : only, only == null ? Long.getLong("flk.seeds", 1_000) : 1);
    }

    @Test
    @Tag("thorough")
    void acknowledged_isNeverLost_more() {
        histories(1_000, 9_000);
    }

    private static void histories(long first, long count) {
        long acknowledged = 0;
        for (long seed = first; seed < first + count; seed++) {
            try {
                acknowledged += history(seed);
            } catch (IOException | RuntimeException | AssertionError e) {
                throw new AssertionError("seed " + seed + " (run it alone with -Dflk.seed=" + seed + ")", e);
            }
        }
        assertThat(acknowledged).as("the histories do something").isGreaterThan(count);
    }

    private static long history(long seed) throws IOException {
        Random random = new Random(seed);
        SimulatedDisk disk = new SimulatedDisk(random);
        List<Recorded> appends = new ArrayList<>();
        int next = 0;
        for (int life = 0; life < 6; life++) {
            LogOptions options = options(SIZES.withSegments(10_000 + random.nextInt(20_000), Duration.ofDays(1))
                    .withFillAhead(random.nextInt(3) * 4096));
            disk.failNothing();
            if (random.nextInt(4) == 0) {
                disk.failOperation(random.nextInt(15), fault(random));
            }
            boolean faulty = false;
            try {
                Clock clock = new Clock();
                clock.advance(Duration.ofHours(random.nextInt(30)));
                SimulatedLog log = SimulatedLog.open(disk, options, clock);
                Audit.acknowledgedIsThere(readAll(disk), appends);
                int steps = random.nextInt(12);
                for (int step = 0; step < steps; step++) {
                    if (random.nextInt(6) == 0) {
                        faulty |= disk.faultHappened();
                        disk.failOperation(random.nextInt(6), fault(random));
                    }
                    for (int i = random.nextInt(3); i >= 0; i--) {
                        Recorded append = new Recorded(entry(next++, random.nextInt(1_500)));
                        appends.add(append);
                        assertThat(log.log.append(append)).isTrue();
                    }
                    log.log.step();
                    if (random.nextBoolean()) {
                        log.log.fillStep();
                    }
                }
                if (random.nextInt(3) == 0) {
                    log.log.close();
                }
            } catch (SimulatedDisk.Killed | IOException e) {
                // an injected fault ended this life; the next one continues
                assertThat(e).isNotInstanceOf(DamagedLogException.class);
                assertThat(faulty || disk.faultHappened()).isTrue();
            }
            if (random.nextInt(3) == 0) {
                disk.losePower();
            } else {
                disk.kill();
            }
        }
        disk.failNothing();
        SimulatedLog.open(disk, options(SIZES), new Clock()).log.close();
        Audit.acknowledgedIsThere(readAll(disk), appends);
        return appends.stream().filter(Recorded::acknowledged).count();
    }

    private static Fault fault(Random random) {
        return FAULTS.get(random.nextInt(FAULTS.size()));
    }
}
