// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.canonical.SignedFields;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verdict.Recomputed;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A verifier that decides certificates by one policy. The verifier tries each {@link Step} in order; the first step
 * that objects determines the reason. A verifier is pure, immutable and thread-safe.
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

    /** Returns the verdict on {@code certificate}, which is always the same for the same certificate and policy. */
    public Verdict verify(Certificate certificate) {
        Step.Recomputation recomputation = Step.Recomputation.of(certificate);
        Optional<Reason> unusable = recomputation.objection();
        if (unusable.isPresent()) {
            return verdict(certificate, Kind.REJECTED, null, unusable.get());
        }
        Recomputed recomputed = recompute(certificate, recomputation.dHat());
        Optional<Reason> falseClaim = firstObjection(claims(certificate, recomputed));
        if (falseClaim.isPresent()) {
            return verdict(certificate, Kind.REJECTED, recomputed, falseClaim.get());
        }
        return firstObjection(doubts(certificate, recomputed))
                .map(reason -> verdict(certificate, Kind.ESCALATED, recomputed, reason))
                .orElseGet(() -> verdict(certificate, Kind.ACCEPTED, recomputed, null));
    }

    private Verdict verdict(
            Certificate certificate, Kind kind, @Nullable Recomputed recomputed, @Nullable Reason reason) {
        return new Verdict(certificate.id(), certificate.signed().dHat(), kind, recomputed, reason, policyHash);
    }

    /**
     * Returns the verdict and the steps with their values, including the steps after the first step that objected. If
     * D̂ can't be recomputed, returns only the step that recomputes D̂.
     */
    public Explanation explain(Certificate certificate) {
        List<Step> steps = new ArrayList<>();
        Step.Recomputation recomputation = Step.Recomputation.of(certificate);
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
        return new Recomputed(dHat, policy.budget(dHat, claim.cohStar(), claim.r()), Regime.of(dHat, claim.cohStar()));
    }

    /** Returns the steps that check claims that must be true. An objection rejects the certificate. */
    private List<Step> claims(Certificate certificate, Recomputed recomputed) {
        SignedFields claim = certificate.signed();
        return List.of(
                new Step.DHatTolerance(claim.dHat(), recomputed.dHat(), policy.tolD()),
                new Step.CohStarBounds(claim.cohStar(), policy.tolCoh()),
                new Step.RBounds(claim.r()));
    }

    /** Returns the steps that look for doubts that need a review. An objection escalates the certificate. */
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
     * The derivation of a verdict.
     *
     * @param steps the steps in the order in which they are tried, including the steps after the step that determined
     *     the reason; only the first step if D̂ could not be recomputed
     */
    public record Explanation(List<Step> steps, Verdict verdict) {
        public Explanation {
            steps = List.copyOf(steps);
        }
    }
}
