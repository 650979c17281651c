// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.canonical.CanonicalDouble;

/** How much of a budget a certificate may claim. */
public final class Budget {
    private Budget() {}

    /**
     * {@code base + alpha·(1−r) + beta·max(0, D̂−d0) + gamma·coh★}, cut to [0, 1], rounded to 9 decimals. Computed in doubles
     * from left to right: at a tie of the tenth decimal another order would give another budget.
     */
    public static double of(Policy policy, double dHat, double cohStar, double r) {
        double budget = policy.base()
                + policy.alpha() * (1 - r)
                + policy.beta() * Math.max(0.0, dHat - policy.d0())
                + policy.gamma() * cohStar;
        // Opposite overflows of an r and a coh★ that are out of bounds anyway.
        double defined = Double.isNaN(budget) ? 0.0 : budget;
        return CanonicalDouble.round9(Math.max(0.0, Math.min(1.0, defined)));
    }
}
