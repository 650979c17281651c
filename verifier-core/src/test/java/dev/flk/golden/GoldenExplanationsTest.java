// SPDX-License-Identifier: Apache-2.0
package dev.flk.golden;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.verification.OutcomeBody;
import dev.flk.verification.Policy;
import dev.flk.verification.Step;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verdict.Reason.Rule;
import dev.flk.verification.Verifier;
import dev.flk.verification.Verifier.Explanation;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class GoldenExplanationsTest {
    private static final Verifier VERIFIER = new Verifier(Policy.defaults());

    static List<JsonNode> outcomes() {
        return Golden.lines("outcomes.jsonl");
    }

    @ParameterizedTest(name = "{index}")
    @MethodSource("outcomes")
    void explain_firstObjectionOfTheSteps_isTheReasonOfTheOutcome(JsonNode outcome) throws MalformedCertificate {
        Certificate certificate = certificate(outcome);

        Explanation explanation = VERIFIER.explain(certificate);

        assertThat(explanation.verdict()).isEqualTo(VERIFIER.verify(certificate));
        assertThat(new String(OutcomeBody.render(explanation.verdict()), StandardCharsets.UTF_8))
                .isEqualTo(Golden.text(outcome, "body"));
        assertThat(firstObjection(explanation)).isEqualTo(reason(explanation.verdict()));
    }

    @Test
    void explain_allGolden_meetEveryRuleAndObjectByEachAtLeastOnce() throws MalformedCertificate {
        Set<Rule> objecting = EnumSet.noneOf(Rule.class);
        for (JsonNode outcome : outcomes()) {
            Explanation explanation = VERIFIER.explain(certificate(outcome));
            boolean recomputed = explanation.steps().get(0).objection().isEmpty();
            assertThat(explanation.steps())
                    .extracting(Step::rule)
                    .containsExactly(recomputed ? Rule.values() : new Rule[] {Rule.D_HAT_RECOMPUTATION});
            firstObjection(explanation).ifPresent(reason -> objecting.add(reason.rule()));
        }
        assertThat(objecting).containsExactly(Rule.values());
    }

    private static Certificate certificate(JsonNode outcome) throws MalformedCertificate {
        return CertificateReader.parse(Golden.certificate(outcome)).checkIgnoringClock();
    }

    private static Optional<Reason> firstObjection(Explanation explanation) {
        return explanation.steps().stream()
                .flatMap(step -> step.objection().stream())
                .findFirst();
    }

    private static Optional<Reason> reason(Verdict verdict) {
        return verdict.match(new Verdict.Cases<>() {
            @Override
            public Optional<Reason> accepted(Verdict.Accepted accepted) {
                return Optional.empty();
            }

            @Override
            public Optional<Reason> escalated(Verdict.Escalated escalated) {
                return Optional.of(escalated.reason());
            }

            @Override
            public Optional<Reason> rejected(Verdict.Rejected rejected) {
                return Optional.of(rejected.reason());
            }
        });
    }
}
