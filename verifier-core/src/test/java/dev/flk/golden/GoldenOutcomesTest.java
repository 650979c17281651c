// SPDX-License-Identifier: Apache-2.0
package dev.flk.golden;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.signing.SignatureCheck;
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

class GoldenOutcomesTest {
    private static final Verifier VERIFIER = new Verifier(Policy.defaults());

    static List<JsonNode> outcomes() {
        return Golden.lines("outcomes.jsonl");
    }

    @Test
    void file_hasAllOutcomes() {
        assertThat(outcomes()).hasSize(163);
    }

    @ParameterizedTest(name = "{index}")
    @MethodSource("outcomes")
    void verify_givesStatusAndBodyToTheByte_andTheFirstObjectionAsItsReason(JsonNode outcome)
            throws MalformedCertificate {
        ParsedCertificate parsed = CertificateReader.parse(Golden.certificate(outcome));
        SignatureCheck check = SignatureCheck.hmac(List.of(Golden.text(outcome, "hmac_key")));

        Verdict verdict = VERIFIER.verify(parsed.checkIgnoringClock());
        Explanation explanation = VERIFIER.explain(parsed.checkIgnoringClock());

        assertThat(check.verify(parsed.signed().canonicalForm(), parsed.sig()))
                .isEqualTo(check.keyIds().stream().findFirst());
        assertThat(verdict.status()).isEqualTo(outcome.get("status").intValue());
        assertThat(new String(verdict.body(), StandardCharsets.UTF_8)).isEqualTo(Golden.text(outcome, "body"));
        assertThat(explanation.verdict()).isEqualTo(verdict);
        assertThat(firstObjection(explanation)).isEqualTo(reason(verdict));
    }

    @Test
    void explain_allGolden_hasAStepForEachRule_andEachObjectsAtLeastOnce() throws MalformedCertificate {
        Set<Rule> objecting = EnumSet.noneOf(Rule.class);
        for (JsonNode outcome : outcomes()) {
            Explanation explanation = VERIFIER.explain(
                    CertificateReader.parse(Golden.certificate(outcome)).checkIgnoringClock());
            boolean recomputed = explanation.steps().get(0).objection().isEmpty();
            assertThat(explanation.steps())
                    .extracting(Step::rule)
                    .containsExactly(recomputed ? Rule.values() : new Rule[] {Rule.D_HAT_RECOMPUTATION});
            firstObjection(explanation).ifPresent(reason -> objecting.add(reason.rule()));
        }
        assertThat(objecting).containsExactly(Rule.values());
    }

    private static Optional<Reason> firstObjection(Explanation explanation) {
        return explanation.steps().stream()
                .flatMap(step -> step.objection().stream())
                .findFirst();
    }

    private static Optional<Reason> reason(Verdict verdict) {
        return Optional.ofNullable(verdict.reason());
    }
}
