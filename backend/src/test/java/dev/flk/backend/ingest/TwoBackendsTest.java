// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;

/**
 * Random histories of two backends that share a store over a network: submissions, duplicates and conflicts to both, calls that time
 * out and take effect later, disk faults, kills, losses of power, restarts under another policy, time passing, a store that is out
 * of reach, emptied, put back to an older copy. {@code -Dflk.seeds=N} runs more; a failing seed is named and runs alone with
 * {@code -Dflk.seed=S}, and {@code -Dflk.trace=true} tells every step.
 */
final class TwoBackendsTest {
    @Test
    void randomHistories_keepEveryPromise() {
        Long only = Long.getLong("flk.seed");
        long first = only == null ? 0 : only;
        long count = only == null ? Long.getLong("flk.seeds", 2_000) : 1;
        long answers = 0;
        for (long seed = first; seed < first + count; seed++) {
            try {
                answers += new TwoBackends(seed).run();
            } catch (IOException | RuntimeException | AssertionError e) {
                throw new AssertionError("seed " + seed + " (run it alone with -Dflk.seed=" + seed + ")", e);
            }
        }
        assertThat(answers).as("the histories do something").isGreaterThan(20 * count);
    }
}
