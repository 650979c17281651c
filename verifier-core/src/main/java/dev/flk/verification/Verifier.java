// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.canonical.SignedFields;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.PcsId;
import dev.flk.certificate.Regime;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verdict.Recomputed;
import java.util.ArrayList;
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
        double claimedDHat = certificate.signed().dHat();
        Step.Recomputation recomputation = new Step.Recomputation(certificate);
        Optional<Reason> unusable = recomputation.objection();
        if (unusable.isPresent()) {
            return new Verdict.Rejected(id, claimedDHat, null, unusable.get(), policyHash);
        }
        Recomputed recomputed = recompute(certificate, recomputation.dHat());
        Optional<Reason> falseClaim = firstObjection(claims(certificate, recomputed));
        if (falseClaim.isPresent()) {
            return new Verdict.Rejected(id, claimedDHat, recomputed, falseClaim.get(), policyHash);
        }
        return firstObjection(doubts(certificate, recomputed))
                .<Verdict>map(reason -> new Verdict.Escalated(id, claimedDHat, recomputed, reason, policyHash))
                .orElseGet(() -> new Verdict.Accepted(id, claimedDHat, recomputed, policyHash));
    }

    /** The verdict, and every step with its numbers, also those behind the one that objected. */
    public Explanation explain(Certificate certificate) {
        List<Step> steps = new ArrayList<>();
        Step.Recomputation recomputation = new Step.Recomputation(certificate);
        steps.add(recomputation);
        if (recomputation.objection().isEmpty()) {
            Recomputed recomputed = recompute(certificate, recomputation.dHat());
            steps.addAll(claims(certificate, recomputed));
            steps.addAll(doubts(certificate, recomputed));
        }
        return new Explanation(steps, verify(certificate));
    }

    private Recomputed recompute(Certificate certificate, double dHat) {
        SignedFields claim = certificate.signed();
        return new Recomputed(
                dHat, Budget.of(policy, dHat, claim.cohStar(), claim.r()), Regime.of(dHat, claim.cohStar()));
    }

    /** Steps 2 and 3: what must be true. */
    private List<Step> claims(Certificate certificate, Recomputed recomputed) {
        SignedFields claim = certificate.signed();
        return List.of(
                new Step.DHatTolerance(claim.dHat(), recomputed.dHat(), policy.tolD()),
                new Step.CohStarBounds(claim.cohStar(), policy.tolCoh()),
                new Step.RBounds(claim.r()));
    }

    /** Steps 4 to 6: what needs a review. */
    private List<Step> doubts(Certificate certificate, Recomputed recomputed) {
        SignedFields claim = certificate.signed();
        return List.of(
                new Step.RegimeMatch(certificate.regime(), recomputed.regime(), recomputed.dHat(), claim.cohStar()),
                new Step.BudgetMatch(claim.budget(), recomputed.dHat(), claim.cohStar(), claim.r(), policy),
                new Step.NoDegradation(certificate.faultTolerance()));
    }

    private static Optional<Reason> firstObjection(List<Step> steps) {
        for (Step step : steps) {
            Optional<Reason> objection = step.objection();
            if (objection.isPresent()) {
                return objection;
            }
        }
        return Optional.empty();
    }

    /**
     * How a verdict came about.
     *
     * @param steps in the order in which they are tried; the first that objects gave the reason, the ones behind it would have
     *     been tried next. Only the first one if D̂ could not be recomputed
     */
    public record Explanation(List<Step> steps, Verdict verdict) {
        public Explanation {
            steps = List.copyOf(steps);
        }
    }
}
