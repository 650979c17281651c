// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.certificate.Certificate;
import dev.flk.verification.OutcomeBody;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verifier;
import java.time.Duration;

/**
 * What a certificate's outcome depends on beside the certificate and its arrival. The log keeps it with each segment
 * ({@link #context}), so that a replay decides the same.
 */
public final class DecisionRules {
    private static final String TTL = " dedup_ttl_ms=";
    private static final int SIGNED_DIGEST_CHARS = 16;

    private final Verifier verifier;
    private final long dedupTtlMillis;

    /** Decides by {@code policy}; what is decided stands for {@code dedupTtl} from its arrival. */
    public DecisionRules(Policy policy, Duration dedupTtl) {
        this.verifier = new Verifier(policy);
        this.dedupTtlMillis = dedupTtl.toMillis();
    }

    /**
     * The inverse of {@link #context}.
     *
     * @throws IllegalArgumentException if {@code context} is none
     */
    static DecisionRules parse(String context) {
        int at = context.indexOf(TTL);
        if (at < 0) {
            throw new IllegalArgumentException("the log names no rules to decide by: " + context);
        }
        return new DecisionRules(
                Policy.parse(context.substring(0, at)),
                Duration.ofMillis(Long.parseLong(context.substring(at + TTL.length()))));
    }

    /** For how long what is decided stands. */
    Duration dedupTtl() {
        return Duration.ofMillis(dedupTtlMillis);
    }

    /**
     * For how long what was logged with a context stands.
     *
     * @throws IllegalArgumentException if {@code context} is none
     */
    static Duration dedupTtlOf(String context) {
        return parse(context).dedupTtl();
    }

    /** All of it in one line. */
    public String context() {
        return verifier.policy().text() + TTL + dedupTtlMillis;
    }

    /** Pure: the same certificate, arrival and rules give the same bytes, anywhere and at any time. */
    Decision decide(Certificate certificate, long arrivalMillis) {
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

    /** What was decided of a certificate, and what of it is to be recorded. */
    record Decision(Verdict verdict, String shardId, double cohStar, StoredOutcome recorded) {}
}
