// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.canonical.CanonicalDouble;

/** The formula of the budget that a certificate may claim. */
public final class Budget {
    private Budget() {}

    /**
     * Returns {@code base + alpha·(1−r) + beta·max(0, D̂−d0) + gamma·coh★}, clamped to [0, 1] and rounded to 9
     * decimals.
     */
    public static double of(Policy policy, double dHat, double cohStar, double r) {
        return BudgetTerms.of(policy, dHat, cohStar, r).budget();
    }

    /**
     * The terms of a budget.
     *
     * @param base the part that every certificate has
     * @param incompressibility α·(1−r)
     * @param dimension β·max(0, D̂−d0)
     * @param coherence γ·coh★
     */
    public record BudgetTerms(double base, double incompressibility, double dimension, double coherence) {

        /** Computes the terms under {@code policy}. */
        public static BudgetTerms of(Policy policy, double dHat, double cohStar, double r) {
            return new BudgetTerms(
                    policy.base(),
                    policy.alpha() * (1 - r),
                    policy.beta() * Math.max(0.0, dHat - policy.d0()),
                    policy.gamma() * cohStar);
        }

        /**
         * Returns the sum of the terms, added as doubles from left to right. The order matters: another one could
         * change the sum at a tie of the tenth decimal.
         */
        public double sum() {
            return base + incompressibility + dimension + coherence;
        }

        /** Returns the sum, clamped to [0, 1] and rounded to 9 decimals. */
        public double budget() {
            double sum = sum();
            // NaN results from opposite overflows if r and coh★ are far out of bounds, which another step rejects.
            double defined = Double.isNaN(sum) ? 0.0 : sum;
            return CanonicalDouble.round9(Math.max(0.0, Math.min(1.0, defined)));
        }
    }
}
