// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.config.AnswerRules;
import dev.flk.backend.http.RenderedOutcome;
import dev.flk.backend.ingest.Outcome;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.verification.Explanation;
import dev.flk.verification.OutcomeBody;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verifier;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a backend would answer to a body that comes first under its id, and why. The way of a submission as far as it is pure;
 * each part is there if the way led so far.
 *
 * @param brokenRule of the format
 */
record ExplainedAnswer(
        @Nullable ExplainedSignature signature,
        @Nullable String brokenRule,
        @Nullable Explanation verification,
        RenderedOutcome answer) {

    static ExplainedAnswer of(byte[] body, AnswerRules rules, ExplainedSignature.Source signatures, Instant now) {
        if (body.length > rules.maxBodyBytes()) {
            return new ExplainedAnswer(null, null, null, RenderedOutcome.tooLong(rules.maxBodyBytes()));
        }
        ExplainedSignature signature = null;
        try {
            ParsedCertificate parsed = CertificateReader.parse(body);
            signature = signatures.of(body, parsed, now);
            if (!signature.isTaken()) {
                return new ExplainedAnswer(signature, null, null, RenderedOutcome.of(new Outcome.BadSignature()));
            }
            Explanation explanation = new Verifier(rules.policy()).explain(parsed.check(now, rules.maxClockSkew()));
            return new ExplainedAnswer(
                    signature, null, explanation, RenderedOutcome.of(decided(explanation.verdict())));
        } catch (MalformedCertificate e) {
            String rule = String.valueOf(e.getMessage());
            return new ExplainedAnswer(signature, rule, null, RenderedOutcome.of(new Outcome.Malformed(rule)));
        }
    }

    private static Outcome decided(Verdict verdict) {
        return new Outcome.Decided(verdict.status(), OutcomeBody.render(verdict), Relation.FIRST);
    }

    boolean isAccepted() {
        return answer.status() == 200;
    }

    /** {@code accepted}, {@code escalated} or {@code rejected}; empty if it was not decided. */
    Optional<String> ending() {
        return Optional.ofNullable(verification)
                .map(explanation -> explanation.verdict().match(new Verdict.Cases<>() {
                    @Override
                    public String accepted(Verdict.Accepted accepted) {
                        return "accepted";
                    }

                    @Override
                    public String escalated(Verdict.Escalated escalated) {
                        return "escalated";
                    }

                    @Override
                    public String rejected(Verdict.Rejected rejected) {
                        return "rejected";
                    }
                }));
    }
}
