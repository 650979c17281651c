// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;

/**
 * Random histories, each of which keeps every promise. {@code -Dflk.seeds=N} runs more, {@code -Dflk.firstSeed=S} others; a failing seed is
 * named and runs alone with {@code -Dflk.seed=S}, and {@code -Dflk.trace=true} tells every step.
 */
final class SimulationTest {
    private interface History {
        long run(long seed) throws IOException;
    }

    /**
     * Submissions, duplicates and conflicts, forces, disk and store faults, kills, losses of power, restarts under another policy,
     * time passing, the wall clock set, the store removed, segments of the log moved away and put back, or not.
     */
    @Test
    void oneBackend_keepsEveryPromise() {
        run(5_000, seed -> new OneBackend(seed).run());
    }

    /**
     * Besides: the same and conflicting certificates to both, calls that time out and take effect later, a store that is out of
     * reach, emptied, put back to an older copy, clocks that differ.
     */
    @Test
    void twoBackendsOnOneStore_keepEveryPromise() {
        run(5_000, seed -> new TwoBackends(seed).run());
    }

    private static void run(long usualSeeds, History history) {
        Long only = Long.getLong("flk.seed");
        long first = only == null ? Long.getLong("flk.firstSeed", 0) : only;
        long count = only == null ? Long.getLong("flk.seeds", usualSeeds) : 1;
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
