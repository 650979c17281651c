// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.CertificateText;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.verification.Verdict.Kind;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Tests of policies other than the default policy; the golden outcomes cover every rule under the default policy. */
class VerifierTest {
    @Test
    void verify_cohStarAtItsUpperEdge_isAcceptedForAnyTolerance() throws MalformedCertificate {
        for (int hundredths = 0; hundredths < 100; hundredths++) {
            String cohStar = "1." + (hundredths < 10 ? "0" : "") + hundredths;
            Policy policy = new Policy(0.15, hundredths / 100.0, 0.01, 0.26, 0, 0, 0, 2.2);
            CertificateText text =
                    CertificateText.valid().with("coh_star", cohStar).with("regime", "\"sticky\"");

            assertThat(new Verifier(policy).verify(text.check()).kind())
                    .as(cohStar)
                    .isEqualTo(Kind.ACCEPTED);
            assertThat(new Verifier(policy)
                            .verify(text.with("coh_star", cohStar + "0000001").check())
                            .kind())
                    .as(cohStar)
                    .isEqualTo(Kind.REJECTED);
        }
    }

    @Test
    void verify_otherPolicy_isNamedInTheBody() throws MalformedCertificate {
        Policy strict = new Policy(0, 0, 0, 0.1, 0.3, 0.5, 0.2, 2.2);

        Verdict verdict = new Verifier(strict)
                .verify(CertificateText.valid().with("D_hat", "1.000000001").check());

        assertThat(new String(verdict.body(), StandardCharsets.US_ASCII))
                .isEqualTo("{\"pcs_id\":\"" + verdict.id() + "\",\"accepted\":false,\"escalated\":true,"
                        + "\"D_hat\":1.000000001,\"recomputed_D_hat\":1.0,\"recomputed_budget\":0.26,\"regime\":\"mixed\","
                        + "\"reason\":\"D_hat out of tolerance: claimed=1.0000, recomputed=1.0000, diff=0.0000 > tol=0.0000\","
                        + "\"policy\":\"" + strict.hash() + "\"}");
    }
}
