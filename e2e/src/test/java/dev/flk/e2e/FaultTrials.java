// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;

/** Which of the calls of a kind are made to fail, one after the other, each in a run of its own. */
final class FaultTrials {
    /** {@code -Dflk.faults=all} tries every n that a short run has. */
    static final boolean ALL = "all".equals(System.getProperty("flk.faults"));

    private FaultTrials() {}

    /** A run in which the n-th call fails. */
    interface Trial {
        /** Returns false if the run has no n-th call. */
        boolean passes(int n) throws Exception;
    }

    /**
     * Tries some n, or all.
     *
     * @param first the first n that means something
     * @param usual which n are tried where not all are; each must be met
     */
    static void run(String name, int first, List<Integer> usual, Trial trial) throws Exception {
        if (!ALL) {
            for (int n : usual) {
                assertThat(trial.passes(n)).as("%s, n=%d, is met", name, n).isTrue();
            }
            return;
        }
        int n = first;
        while (trial.passes(n)) {
            n++;
        }
        System.out.printf("%s: n from %d to %d%n", name, first, n - 1);
        assertThat(n).as("the first n of %s that is not met", name).isGreaterThan(first);
    }
}
