// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;

/**
 * Random histories, each of which keeps every promise. {@code -Dflk.seeds=N} runs more, {@code -Dflk.firstSeed=S} others; a failing seed is
 * named and runs alone with {@code -Dflk.seed=S}, and {@code -Dflk.trace=true} tells every step.
 */
final class RandomHistories {
    private static final long USUAL_SEEDS = 1_000;

    private RandomHistories() {}

    /** One of them; returns how many answers it had. */
    interface History {
        long run(long seed) throws IOException;
    }

    static void run(History history) {
        Long only = Long.getLong("flk.seed");
        long first = only == null ? Long.getLong("flk.firstSeed", 0) : only;
        long count = only == null ? Long.getLong("flk.seeds", USUAL_SEEDS) : 1;
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
