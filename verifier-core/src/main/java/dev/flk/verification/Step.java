// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import static dev.flk.canonical.CanonicalDouble.printFourDecimals;
import static dev.flk.canonical.CanonicalDouble.round9;

import dev.flk.certificate.Certificate;
import dev.flk.certificate.Certificate.FaultTolerance;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.verification.Policy.BudgetTerms;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verdict.Reason.Rule;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One rule applied to one certificate, with the values that the rule compares. A step objects if the certificate breaks
 * the rule.
 */
public sealed interface Step {
    Rule rule();

    /** Returns the reason to reject or escalate the certificate; empty if the rule holds. */
    Optional<Reason> objection();

    /**
     * Calls the method of {@code cases} for this kind of step. Each implementation of {@link Cases} must handle all
     * kinds: it does not compile if a new kind is added and not handled.
     */
    <R> R match(Cases<R> cases);

    /** A function with one method per kind of step. */
    interface Cases<R> {
        R recomputation(Recomputation step);

        R dHatTolerance(DHatTolerance step);

        R cohStarBounds(CohStarBounds step);

        R rBounds(RBounds step);

        R regimeMatch(RegimeMatch step);

        R budgetMatch(BudgetMatch step);

        R noDegradation(NoDegradation step);
    }

    /**
     * The rule that there are at least two scales, and a count above 0 for each.
     *
     * @param counts the count of each scale; null for a scale that N_j lacks
     */
    record Recomputation(List<Integer> scales, List<@Nullable Long> counts) implements Step {
        static Recomputation of(Certificate certificate) {
            List<@Nullable Long> counts = new ArrayList<>(certificate.scales().size());
            for (int scale : certificate.scales()) {
                counts.add(certificate.counts().get(scale));
            }
            return new Recomputation(certificate.scales(), counts);
        }

        @Override
        public Rule rule() {
            return Rule.D_HAT_RECOMPUTATION;
        }

        /** Returns the slopes whose median is D̂, in ascending order. Must not be called if there is an objection. */
        public double[] slopes() {
            return TheilSen.slopes(scaleArray(), countArray());
        }

        /** Returns D̂, rounded to 9 decimals. Must not be called if there is an objection. */
        double dHat() {
            return TheilSen.slope(scaleArray(), countArray());
        }

        private int[] scaleArray() {
            int[] array = new int[scales.size()];
            for (int i = 0; i < array.length; i++) {
                array[i] = scales.get(i);
            }
            return array;
        }

        private long[] countArray() {
            long[] array = new long[counts.size()];
            for (int i = 0; i < array.length; i++) {
                array[i] = Objects.requireNonNull(counts.get(i), "N_j lacks a scale");
            }
            return array;
        }

        @Override
        public Optional<Reason> objection() {
            if (scales.size() < 2) {
                return failed("fewer than 2 scales");
            }
            for (int i = 0; i < counts.size(); i++) {
                Long count = counts.get(i);
                if (count == null) {
                    return failed("N_j has no scale " + scales.get(i));
                }
                if (count <= 0) {
                    return failed("N_j of scale " + scales.get(i) + " is " + count);
                }
            }
            return Optional.empty();
        }

        private Optional<Reason> failed(String why) {
            return Optional.of(new Reason(rule(), "D_hat recomputation failed: " + why));
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.recomputation(this);
        }
    }

    /** The rule that the claimed D̂ differs from the recomputed D̂ by at most the tolerance. */
    record DHatTolerance(double claimed, double recomputed, double tolerance) implements Step {
        @Override
        public Rule rule() {
            return Rule.D_HAT_TOLERANCE;
        }

        /** Returns the absolute difference between the claimed and the recomputed D̂, rounded to 9 decimals. */
        public double diff() {
            return round9(Math.abs(claimed - recomputed));
        }

        @Override
        public Optional<Reason> objection() {
            double diff = diff();
            if (diff <= tolerance) {
                return Optional.empty();
            }
            return Optional.of(new Reason(
                    rule(),
                    "D_hat out of tolerance: claimed=" + printFourDecimals(claimed) + ", recomputed="
                            + printFourDecimals(recomputed) + ", diff=" + printFourDecimals(diff) + " > tol="
                            + printFourDecimals(tolerance)));
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.dHatTolerance(this);
        }
    }

    /** The rule that coh★ is at least 0 and exceeds 1 by at most the tolerance. */
    record CohStarBounds(double cohStar, double tolerance) implements Step {
        @Override
        public Rule rule() {
            return Rule.COH_STAR_BOUNDS;
        }

        @Override
        public Optional<Reason> objection() {
            if (cohStar >= 0 && round9(cohStar - 1) <= tolerance) {
                return Optional.empty();
            }
            return Optional.of(new Reason(
                    rule(),
                    "coh_star out of bounds: " + printFourDecimals(cohStar) + " not in [0, "
                            + printFourDecimals(1 + tolerance) + "]"));
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.cohStarBounds(this);
        }
    }

    /** The rule that r is between 0 and 1. */
    record RBounds(double r) implements Step {
        @Override
        public Rule rule() {
            return Rule.R_BOUNDS;
        }

        @Override
        public Optional<Reason> objection() {
            if (r >= 0 && r <= 1) {
                return Optional.empty();
            }
            return Optional.of(new Reason(rule(), "r out of bounds: " + printFourDecimals(r) + " not in [0, 1]"));
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.rBounds(this);
        }
    }

    /** The rule that the claimed regime is the regime that follows from the recomputed D̂ and the claimed coh★. */
    record RegimeMatch(Regime claimed, Regime expected, double dHat, double cohStar) implements Step {
        @Override
        public Rule rule() {
            return Rule.REGIME;
        }

        @Override
        public Optional<Reason> objection() {
            if (claimed == expected) {
                return Optional.empty();
            }
            return Optional.of(new Reason(
                    rule(), "regime mismatch: claimed=" + claimed.wireName() + ", expected=" + expected.wireName()));
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.regimeMatch(this);
        }
    }

    /** The rule that the claimed budget differs from the recomputed budget by at most the policy's tolerance. */
    record BudgetMatch(double claimed, double dHat, double cohStar, double r, Policy policy) implements Step {
        @Override
        public Rule rule() {
            return Rule.BUDGET;
        }

        /** Returns the terms of the recomputed budget. */
        public BudgetTerms terms() {
            return policy.budgetTerms(dHat, cohStar, r);
        }

        public double recomputed() {
            return terms().budget();
        }

        /** Returns the absolute difference between the claimed and the recomputed budget, rounded to 9 decimals. */
        public double diff() {
            return round9(Math.abs(claimed - recomputed()));
        }

        @Override
        public Optional<Reason> objection() {
            if (diff() <= policy.tolBudget()) {
                return Optional.empty();
            }
            return Optional.of(new Reason(
                    rule(),
                    "budget deviation: claimed=" + printFourDecimals(claimed) + ", recomputed="
                            + printFourDecimals(recomputed())));
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.budgetMatch(this);
        }
    }

    /** The rule that the certificate is not marked as {@code degraded}. */
    record NoDegradation(FaultTolerance faultTolerance) implements Step {
        @Override
        public Rule rule() {
            return Rule.DEGRADED;
        }

        @Override
        public Optional<Reason> objection() {
            if (!faultTolerance.degraded()) {
                return Optional.empty();
            }
            List<String> fallbacks = faultTolerance.fallbacks();
            return Optional.of(new Reason(
                    rule(), "degraded: " + (fallbacks.isEmpty() ? "no fallback named" : String.join(", ", fallbacks))));
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.noDegradation(this);
        }
    }
}
