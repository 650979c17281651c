// SPDX-License-Identifier: Apache-2.0
package dev.flk.golden;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.canonical.CanonicalForm;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.signing.SignatureCheck;
import dev.flk.verification.OutcomeBody;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verifier;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class GoldenOutcomesTest {
    static List<JsonNode> outcomes() {
        return Golden.lines("outcomes.jsonl");
    }

    @Test
    void file_hasAllOutcomes() {
        assertThat(outcomes()).hasSize(163);
    }

    @ParameterizedTest(name = "{index}")
    @MethodSource("outcomes")
    void verify_givesStatusAndBodyToTheByte(JsonNode outcome) throws MalformedCertificate {
        ParsedCertificate parsed = CertificateReader.parse(Golden.certificate(outcome));

        Verdict verdict = new Verifier(Policy.defaults()).verify(parsed.checkIgnoringClock());

        assertThat(verdict.status()).isEqualTo(outcome.get("status").intValue());
        assertThat(new String(OutcomeBody.render(verdict), StandardCharsets.UTF_8))
                .isEqualTo(Golden.text(outcome, "body"));
    }

    @ParameterizedTest(name = "{index}")
    @MethodSource("outcomes")
    void signature_verifies(JsonNode outcome) throws MalformedCertificate {
        ParsedCertificate parsed = CertificateReader.parse(Golden.certificate(outcome));
        SignatureCheck check = SignatureCheck.hmac(List.of(Golden.text(outcome, "hmac_key")));

        assertThat(check.verify(CanonicalForm.of(parsed.signed()), parsed.sig()))
                .isEqualTo(check.keyIds().stream().findFirst());
    }
}
