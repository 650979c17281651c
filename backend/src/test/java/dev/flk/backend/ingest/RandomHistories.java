// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.Random;
import java.util.SplittableRandom;

/**
 * Random histories, each of which keeps every promise. {@code -Dflk.seeds=N} runs more, {@code -Dflk.firstSeed=S} others; a failing seed is
 * named and runs alone with {@code -Dflk.seed=S}, and {@code -Dflk.trace=true} tells every step.
 */
final class RandomHistories {
    /** In every build. */
    private static final long FEW_SEEDS = 250;

    private static final long MANY_SEEDS = 2_000;

    private RandomHistories() {}

    /** One of them; returns how many answers it had. */
    interface History {
        long run(long seed) throws IOException;
    }

    /** The draws of a history. Seeds are scrambled, because the first draws of a {@link Random} hardly differ for neighbouring seeds. */
    static Random draws(long seed) {
        return new Random(new SplittableRandom(seed).nextLong());
    }

    static void runFew(History history) {
        run(history, 0, FEW_SEEDS);
    }

    /** Those that no other build runs. */
    static void runMany(History history) {
        run(history, FEW_SEEDS, MANY_SEEDS);
    }

    private static void run(History history, long usualFirst, long usualCount) {
        Long only = Long.getLong("flk.seed");
        long first = only == null ? Long.getLong("flk.firstSeed", usualFirst) : only;
        long count = only == null ? Long.getLong("flk.seeds", usualCount) : 1;
        long answers = 0;
        for (long seed = first; seed < first + count; seed++) {
            try {
                answers += history.run(seed);
            } catch (IOException | RuntimeException | AssertionError e) {
                throw new AssertionError("seed " + seed + " (run it alone with -Dflk.seed=" + seed + ")", e);
            }
        }
        assertThat(answers).as("the histories do something").isGreaterThan(20 * count);
    }
}
