// SPDX-License-Identifier: Apache-2.0
package dev.flk.golden;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.diagnosis.Diagnosis;
import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.diagnosis.SignatureDiagnosis;
import dev.flk.signing.CandidateKey;
import dev.flk.signing.SignatureCheck;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class GoldenDiagnosesTest {
    private static final List<JsonNode> VECTORS = Golden.lines("canonical.jsonl");

    @Test
    void of_allGoldenSignatures_areGood() throws MalformedCertificate {
        for (JsonNode vector : VECTORS) {
            SignatureCheck hmac = SignatureCheck.hmac(List.of(Golden.text(vector, "hmac_key")));
            SignatureCheck ed25519 = SignatureCheck.ed25519(List.of(Golden.text(vector, "ed25519_pub")));

            assertThat(diagnose(vector, "hmac", hmac, List.of())).matches(Diagnosis::isAccepted);
            assertThat(diagnose(vector, "ed25519", ed25519, List.of())).matches(Diagnosis::isAccepted);
        }
    }

    @Test
    void of_goldenSignaturesUnderTheOtherAlgorithm_areExplainedByItAlone() throws MalformedCertificate {
        for (int i = 0; i < VECTORS.size(); i += 20) {
            JsonNode vector = VECTORS.get(i);
            String secret = Golden.text(vector, "hmac_key");
            String publicKey = Golden.text(vector, "ed25519_pub");

            assertIsOtherAlgorithm(diagnose(
                    vector,
                    "hmac",
                    SignatureCheck.ed25519(List.of(publicKey)),
                    List.of(new NamedKey("secret", CandidateKey.secret(secret)))));
            assertIsOtherAlgorithm(diagnose(
                    vector,
                    "ed25519",
                    SignatureCheck.hmac(List.of(secret)),
                    List.of(new NamedKey("public key", CandidateKey.publicKey(publicKey)))));
        }
    }

    private static void assertIsOtherAlgorithm(Diagnosis diagnosis) {
        assertThat(diagnosis.differences())
                .extracting(Diagnosis.Difference::cause)
                .containsExactly("algorithm");
    }

    private static Diagnosis diagnose(JsonNode vector, String sigName, SignatureCheck check, List<NamedKey> others)
            throws MalformedCertificate {
        String json = Golden.text(vector, "certificate").strip();
        String signed = json.substring(0, json.length() - 1) + ",\"sig\":\"" + Golden.text(vector, sigName) + "\"}";
        byte[] body = signed.getBytes(StandardCharsets.UTF_8);
        return new SignatureDiagnosis(check, others).of(body, CertificateReader.parse(body));
    }
}
