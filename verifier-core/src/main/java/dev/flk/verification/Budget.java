// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.canonical.CanonicalDouble;

/** How much of a budget a certificate may claim. */
public final class Budget {
    private Budget() {}

    /** {@code base + alpha·(1−r) + beta·max(0, D̂−d0) + gamma·coh★}, cut to [0, 1], rounded to 9 decimals. */
    public static double of(Policy policy, double dHat, double cohStar, double r) {
        return BudgetTerms.of(policy, dHat, cohStar, r).budget();
    }

    /**
     * What a budget is the sum of.
     *
     * @param base what every certificate has
     * @param incompressibility α·(1−r)
     * @param dimension β·max(0, D̂−d0)
     * @param coherence γ·coh★
     */
    public record BudgetTerms(double base, double incompressibility, double dimension, double coherence) {

        /** The terms under {@code policy}. */
        public static BudgetTerms of(Policy policy, double dHat, double cohStar, double r) {
            return new BudgetTerms(
                    policy.base(),
                    policy.alpha() * (1 - r),
                    policy.beta() * Math.max(0.0, dHat - policy.d0()),
                    policy.gamma() * cohStar);
        }

        /** Their sum, in doubles from left to right: at a tie of the tenth decimal another order would give another budget. */
        public double sum() {
            return base + incompressibility + dimension + coherence;
        }

        /** The sum cut to [0, 1], rounded to 9 decimals. */
        public double budget() {
            double sum = sum();
            // Opposite overflows of an r and a coh★ that are out of bounds anyway.
            double defined = Double.isNaN(sum) ? 0.0 : sum;
            return CanonicalDouble.round9(Math.max(0.0, Math.min(1.0, defined)));
        }
    }
}
