// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

/** How much of a budget a certificate may claim. */
public final class Budget {
    private Budget() {}

    /** {@code base + alpha·(1−r) + beta·max(0, D̂−d0) + gamma·coh★}, cut to [0, 1], rounded to 9 decimals. */
    public static double of(Policy policy, double dHat, double cohStar, double r) {
        return BudgetTerms.of(policy, dHat, cohStar, r).budget();
    }
}
