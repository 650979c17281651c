// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.function.IntUnaryOperator;
import java.util.function.LongFunction;

/**
 * A random history, in which every promise must hold. {@code -Dflk.seeds=N} sets the number of histories, {@code
 * -Dflk.firstSeed=S} the first seed. A failure reports its seed, which {@code -Dflk.seed=S} runs alone; {@code
 * -Dflk.trace=true} prints every step.
 *
 * <p>In half of the histories, the clocks sometimes jump by seconds or hours, in some of these also by weeks. In half
 * of all histories, segments are sometimes moved away and perhaps put back, and logrotate sometimes renames all
 * uncompressed segments and may compress them. In a fifth of all histories, the log is archived, its disk is sometimes
 * lost with everything on it, and the log is restored from the archive; segments are only rotated there.
 *
 * <p>In the histories of a copied log, the machine is sometimes lost, replaced while its process goes on, or put back to
 * an older disk; the brokers are sometimes away, and the topic loses entries.
 */
abstract class RandomHistory {
    static final Duration HOURS = Duration.ofHours(6);
    static final Policy STRICT = Policy.parse(Policy.defaults().text().replace("tol_d=0.15", "tol_d=0.05"));
    static final int IDS = 8;
    private static final List<Fault> FAULTS = List.of(Fault.values());

    /** The number of histories that every build runs. */
    private static final long FEW_SEEDS = 75;

    private static final long MANY_SEEDS = 2_000;

    private static final long SEEDS_PER_FIRE = 5;
    private static final long FIRST_FIRE = 3;

    final Random random;
    final World world;
    int lastEpoch = IDS;

    private final Duration farthestJump;
    private final boolean clocksJump;
    private final boolean segmentsMove;

    /**
     * Whether the log is archived, and its disk is sometimes lost. A segment that is moved away is not archived, so none
     * is moved then.
     */
    final boolean burns;

    /** Whether the log is copied, and its machine is sometimes lost, replaced, or put back to an older disk. */
    final boolean isCopied;

    /** @param farthestJump a function that chooses how far a clock may jump */
    RandomHistory(long seed, boolean isCopied, Function<Random, Duration> farthestJump) {
        // seeds are scrambled, because the first draws of a Random hardly differ for neighbouring seeds
        random = new Random(new SplittableRandom(seed).nextLong());
        this.farthestJump = farthestJump.apply(random);
        clocksJump = random.nextBoolean();
        this.isCopied = isCopied;
        burns = seed % SEEDS_PER_FIRE == FIRST_FIRE && !isCopied;
        segmentsMove = random.nextBoolean() && !burns && !isCopied;
        // one clock may be ahead and another behind, and the clock that expires outcomes may lag by the same amount
        // again
        world = new World(clocksJump ? this.farthestJump.multipliedBy(4) : Duration.ZERO);
    }

    /** Runs the history and returns the number of answers. */
    abstract long run() throws IOException;

    /** Checks that the bodies of all answered certificates are in the logs. */
    final void assertBodies(Set<String> answered, Set<String> logged) {
        if (isCopied) {
            Set<String> missing = new HashSet<>(answered);
            missing.removeAll(logged);
            assertThat(missing).as("answered without a body in a log").isEmpty();
        }
    }

    static void runFew(LongFunction<RandomHistory> history) {
        run(history, 0, FEW_SEEDS);
    }

    /** Runs fewer histories of copied logs, which take longer. */
    static void runFewCopied(LongFunction<RandomHistory> history) {
        run(history, 0, FEW_SEEDS / 3);
    }

    /** Runs many histories, with seeds that ordinary builds do not run. */
    static void runMany(LongFunction<RandomHistory> history) {
        run(history, FEW_SEEDS, MANY_SEEDS);
    }

    private static void run(LongFunction<RandomHistory> history, long usualFirst, long usualCount) {
        Long only = Long.getLong("flk.seed");
        long first = only == null ? Long.getLong("flk.firstSeed", usualFirst) : only;
        long count = only == null ? Long.getLong("flk.seeds", usualCount) : 1;
        long answers = 0;
        for (long seed = first; seed < first + count; seed++) {
            try {
                answers += history.apply(seed).run();
            } catch (IOException | RuntimeException | AssertionError e) {
                throw new AssertionError("seed " + seed + " (run it alone with -Dflk.seed=" + seed + ")", e);
            }
        }
        if (only == null) { // a single history may have few answers
            assertThat(answers).as("the histories do something").isGreaterThan(20 * count);
        }
    }

    /** Sometimes moves segments or sets the clock while the backend runs. */
    final void disturb(Simulation simulation) throws IOException {
        if (clocksJump && random.nextInt(40) == 0) {
            long most = random.nextBoolean() ? farthestJump.toMillis() : HOURS.toMillis() / 200;
            simulation.clock.set(Duration.ofMillis(random.nextLong(-most, most)));
        }
        if (segmentsMove && random.nextInt(12) == 0) {
            switch (random.nextInt(7)) {
                case 6 -> simulation.files.rotate(random);
                case 0 -> simulation.files.moveNewest();
                case 1 -> simulation.files.moveClosed(random);
                case 2 -> simulation.files.putBack();
                default -> simulation.stepWatch();
            }
        }
    }

    /** Sometimes archives or copies a part of the log; does nothing in a history without archive and copy. */
    final void archive(Simulation simulation) throws IOException {
        if (isCopied) {
            if (random.nextInt(2) == 0) {
                simulation.stepCopy();
            }
            simulation.perhapsDisturbCopy();
            if (random.nextInt(60) == 0) {
                simulation.files.rotate(random);
            }
        }
        if (burns) {
            simulation.perhapsArchive();
            if (random.nextInt(60) == 0) {
                simulation.files.rotate(random);
            }
        }
    }

    final void die(Simulation simulation) {
        if (random.nextInt(3) == 0) {
            simulation.losePower();
        } else {
            simulation.kill();
        }
    }

    /** Sometimes moves a closed segment away while the backend does not run. */
    final void disturbBeforeAStart(Simulation simulation) throws IOException {
        if (segmentsMove && random.nextInt(4) == 0) {
            simulation.files.moveClosed(random);
        }
    }

    final Fault fault() {
        return FAULTS.get(random.nextInt(FAULTS.size()));
    }

    final Duration pause(boolean forDays) {
        return forDays ? Duration.ofDays(2 + random.nextInt(14)) : Duration.ofSeconds(random.nextInt(100));
    }

    /** Returns certificates for one turn, some of which may be equal or conflict. */
    final Pcs[] turn(IntUnaryOperator epochs) {
        Pcs[] turn = new Pcs[1 + random.nextInt(3)];
        for (int i = 0; i < turn.length; i++) {
            lastEpoch += random.nextInt(3) == 0 ? 1 : 0;
            int epoch = epochs.applyAsInt(lastEpoch - random.nextInt(IDS));
            Pcs pcs = Pcs.number(epoch).with("D_hat", "1.1");
            turn[i] = switch (random.nextInt(4)) {
                case 0 -> pcs.with("budget", "0.9");
                case 1 -> pcs.with("attempt", "2");
                default -> pcs;
            };
        }
        return turn;
    }
}
