// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import static dev.flk.canonical.CanonicalDouble.printFourDecimals;
import static dev.flk.canonical.CanonicalDouble.round9;

import dev.flk.certificate.Certificate;
import dev.flk.certificate.Certificate.FaultTolerance;
import dev.flk.certificate.Regime;
import dev.flk.verification.Budget.BudgetTerms;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verdict.Reason.Rule;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One rule applied to one certificate: what it looked at, and whether it objects. */
public sealed interface Step {
    Rule rule();

    /** Why the certificate isn't simply accepted; empty if the rule holds. */
    Optional<Reason> objection();

    /** Calls the one case that applies; a new kind of step breaks every caller at compile time. */
    <R> R match(Cases<R> cases);

    /** One method per kind of step. */
    interface Cases<R> {
        R recomputation(Recomputation step);

        R dHatTolerance(DHatTolerance step);

        R cohStarBounds(CohStarBounds step);

        R rBounds(RBounds step);

        R regimeMatch(RegimeMatch step);

        R budgetMatch(BudgetMatch step);

        R noDegradation(NoDegradation step);
    }

    /** Step 1: whether there is a count above 0 for each scale, and at least two scales. */
    record Recomputation(Certificate certificate) implements Step {
        @Override
        public Rule rule() {
            return Rule.D_HAT_RECOMPUTATION;
        }

        public List<Integer> scales() {
            return certificate.scales();
        }

        /** N_j of {@code scale}; null if it has none. */
        public @Nullable Long count(int scale) {
            return certificate.counts().get(Integer.toString(scale));
        }

        /** The slopes whose median D̂ is, ascending. Only if there is no objection. */
        public double[] slopes() {
            return TheilSen.slopes(scaleArray(), countArray());
        }

        /** D̂, rounded to 9 decimals. Only if there is no objection. */
        double dHat() {
            return TheilSen.slope(scaleArray(), countArray());
        }

        private int[] scaleArray() {
            int[] array = new int[scales().size()];
            for (int i = 0; i < array.length; i++) {
                array[i] = scales().get(i);
            }
            return array;
        }

        private long[] countArray() {
            long[] array = new long[scales().size()];
            for (int i = 0; i < array.length; i++) {
                Long count = count(scales().get(i));
                array[i] = Objects.requireNonNull(count, "there is no objection");
            }
            return array;
        }

        @Override
        public Optional<Reason> objection() {
            if (scales().size() < 2) {
                return failed("fewer than 2 scales");
            }
            for (int scale : scales()) {
                Long count = count(scale);
                if (count == null) {
                    return failed("N_j has no scale " + scale);
                }
                if (count <= 0) {
                    return failed("N_j of scale " + scale + " is " + count);
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

    /** Step 2: whether the claimed D̂ is near the recomputed one. */
    record DHatTolerance(double claimed, double recomputed, double tolerance) implements Step {
        @Override
        public Rule rule() {
            return Rule.D_HAT_TOLERANCE;
        }

        /** How far apart the two are, rounded to 9 decimals. */
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

    /** Step 3, first half: whether coh★ is from 0 to 1 and a tolerance. */
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

    /** Step 3, second half: whether r is from 0 to 1. */
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

    /** Step 4: whether the claimed regime is the one that belongs to the recomputed D̂ and coh★. */
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

    /** Step 5: whether the claimed budget is near the recomputed one. */
    record BudgetMatch(double claimed, double dHat, double cohStar, double r, Policy policy) implements Step {
        @Override
        public Rule rule() {
            return Rule.BUDGET;
        }

        /** What the recomputed one is the sum of. */
        public BudgetTerms terms() {
            return BudgetTerms.of(policy, dHat, cohStar, r);
        }

        public double recomputed() {
            return terms().budget();
        }

        /** How far apart the two are, rounded to 9 decimals. */
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

    /** Step 6: whether the agent said that it had to use a fallback. */
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
