// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.certificate.Certificate;
import dev.flk.verification.OutcomeBody;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verifier;
import java.time.Duration;

/**
 * The rules that determine a certificate's outcome, besides the certificate and its arrival time. The log stores them
 * with each segment ({@link #context}), so that a replay decides the same way.
 */
public final class DecisionRules {
    private static final String TTL = " dedup_ttl_ms=";
    private static final int SIGNED_DIGEST_CHARS = 16;

    private final Verifier verifier;
    private final long dedupTtlMillis;

    /**
     * Creates rules that decide by {@code policy}; an outcome is valid for {@code dedupTtl} from the arrival of its
     * certificate.
     */
    public DecisionRules(Policy policy, Duration dedupTtl) {
        this.verifier = new Verifier(policy);
        this.dedupTtlMillis = dedupTtl.toMillis();
    }

    /**
     * Parses the output of {@link #context}.
     *
     * @throws IllegalArgumentException if {@code context} is not such a line
     */
    static DecisionRules parse(String context) {
        int at = context.indexOf(TTL);
        if (at < 0) {
            throw new IllegalArgumentException("the context of the log contains no decision rules: " + context);
        }
        return new DecisionRules(
                Policy.parse(context.substring(0, at)),
                Duration.ofMillis(Long.parseLong(context.substring(at + TTL.length()))));
    }

    /** Returns how long an outcome is valid. */
    Duration dedupTtl() {
        return Duration.ofMillis(dedupTtlMillis);
    }

    /**
     * Returns how long outcomes logged with a context are valid.
     *
     * @throws IllegalArgumentException if {@code context} is not the output of {@link #context}
     */
    static Duration dedupTtlOf(String context) {
        return parse(context).dedupTtl();
    }

    /** Renders the rules as one line. */
    public String context() {
        return verifier.policy().text() + TTL + dedupTtlMillis;
    }

    /** Decides a certificate. Pure: the same certificate, arrival time and rules always give the same bytes. */
    public Decision decide(Certificate certificate, long arrivalMillis) {
        Verdict verdict = verifier.verify(certificate);
        return new Decision(
                verdict,
                certificate.signed().shardId(),
                certificate.signed().cohStar(),
                new StoredOutcome(
                        certificate.id(),
                        verdict.status(),
                        OutcomeBody.render(verdict),
                        certificate.contentDigest(),
                        certificate.signedDigest().substring(0, SIGNED_DIGEST_CHARS),
                        arrivalMillis + dedupTtlMillis));
    }

    /** The verdict on a certificate, with the outcome to record for it. */
    public record Decision(Verdict verdict, String shardId, double cohStar, StoredOutcome recorded) {}
}
