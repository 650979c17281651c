// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import static dev.flk.canonical.CanonicalDouble.printFourDecimals;
import static dev.flk.canonical.CanonicalDouble.round9;

import dev.flk.canonical.SignedFields;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.PcsId;
import dev.flk.certificate.Regime;
import dev.flk.verification.Reason.Rule;
import java.util.List;
import java.util.Optional;

/**
 * Decides certificates by one policy. The steps stand in the order in which they are tried; the first that objects gives the
 * reason. Pure, immutable, safe from any thread.
 */
public final class Verifier {
    private final Policy policy;
    private final String policyHash;

    public Verifier(Policy policy) {
        this.policy = policy;
        this.policyHash = policy.hash();
    }

    public Policy policy() {
        return policy;
    }

    /** The verdict on {@code certificate}: always the same one for the same certificate and policy. */
    public Verdict verify(Certificate certificate) {
        PcsId id = certificate.id();
        SignedFields claim = certificate.signed();
        Optional<Reason> unusable = findUnusableCount(certificate);
        if (unusable.isPresent()) {
            return new Verdict.Rejected(id, claim.dHat(), null, unusable.get(), policyHash);
        }
        Recomputed recomputed = recompute(certificate);
        Optional<Reason> falseClaim = findFalseClaim(claim, recomputed);
        if (falseClaim.isPresent()) {
            return new Verdict.Rejected(id, claim.dHat(), recomputed, falseClaim.get(), policyHash);
        }
        return findDoubt(certificate, recomputed)
                .<Verdict>map(reason -> new Verdict.Escalated(id, claim.dHat(), recomputed, reason, policyHash))
                .orElseGet(() -> new Verdict.Accepted(id, claim.dHat(), recomputed, policyHash));
    }

    /** Step 1, as far as it can fail. */
    private static Optional<Reason> findUnusableCount(Certificate certificate) {
        if (certificate.scales().size() < 2) {
            return recomputationFailed("fewer than 2 scales");
        }
        for (int scale : certificate.scales()) {
            Long count = certificate.counts().get(Integer.toString(scale));
            if (count == null) {
                return recomputationFailed("N_j has no scale " + scale);
            }
            if (count <= 0) {
                return recomputationFailed("N_j of scale " + scale + " is " + count);
            }
        }
        return Optional.empty();
    }

    private static Optional<Reason> recomputationFailed(String why) {
        return reason(Rule.D_HAT_RECOMPUTATION, "D_hat recomputation failed: " + why);
    }

    private Recomputed recompute(Certificate certificate) {
        List<Integer> scales = certificate.scales();
        double dHat = TheilSen.slope(
                scales.stream().mapToInt(Integer::intValue).toArray(),
                scales.stream()
                        .mapToLong(scale -> certificate.counts().get(Integer.toString(scale)))
                        .toArray());
        SignedFields claim = certificate.signed();
        return new Recomputed(
                dHat, Budget.of(policy, dHat, claim.cohStar(), claim.r()), Regime.of(dHat, claim.cohStar()));
    }

    /** Steps 2 and 3. */
    private Optional<Reason> findFalseClaim(SignedFields claim, Recomputed recomputed) {
        double diff = round9(Math.abs(claim.dHat() - recomputed.dHat()));
        if (diff > policy.tolD()) {
            return reason(
                    Rule.D_HAT_TOLERANCE,
                    "D_hat out of tolerance: claimed=" + printFourDecimals(claim.dHat()) + ", recomputed="
                            + printFourDecimals(recomputed.dHat()) + ", diff=" + printFourDecimals(diff) + " > tol="
                            + printFourDecimals(policy.tolD()));
        }
        double cohStar = claim.cohStar();
        if (cohStar < 0 || round9(cohStar - 1) > policy.tolCoh()) {
            return reason(
                    Rule.COH_STAR_BOUNDS,
                    "coh_star out of bounds: " + printFourDecimals(cohStar) + " not in [0, "
                            + printFourDecimals(1 + policy.tolCoh()) + "]");
        }
        if (claim.r() < 0 || claim.r() > 1) {
            return reason(Rule.R_BOUNDS, "r out of bounds: " + printFourDecimals(claim.r()) + " not in [0, 1]");
        }
        return Optional.empty();
    }

    /** Steps 4 to 6. */
    private Optional<Reason> findDoubt(Certificate certificate, Recomputed recomputed) {
        if (certificate.regime() != recomputed.regime()) {
            return reason(
                    Rule.REGIME,
                    "regime mismatch: claimed=" + certificate.regime().wireName() + ", expected="
                            + recomputed.regime().wireName());
        }
        double budget = certificate.signed().budget();
        if (round9(Math.abs(budget - recomputed.budget())) > policy.tolBudget()) {
            return reason(
                    Rule.BUDGET,
                    "budget deviation: claimed=" + printFourDecimals(budget) + ", recomputed="
                            + printFourDecimals(recomputed.budget()));
        }
        if (certificate.faultTolerance().degraded()) {
            List<String> fallbacks = certificate.faultTolerance().fallbacks();
            return reason(
                    Rule.DEGRADED,
                    "degraded: " + (fallbacks.isEmpty() ? "no fallback named" : String.join(", ", fallbacks)));
        }
        return Optional.empty();
    }

    private static Optional<Reason> reason(Rule rule, String text) {
        return Optional.of(new Reason(rule, text));
    }
}
