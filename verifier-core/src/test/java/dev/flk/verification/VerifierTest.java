// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.CertificateText;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verdict.Reason.Rule;
import dev.flk.verification.Verdict.Recomputed;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VerifierTest {
    @Test
    void verify_everyClaimTrue_isAccepted() throws MalformedCertificate {
        Verdict verdict = verify(CertificateText.valid());

        assertThat(verdict)
                .isEqualTo(new Verdict(
                        verdict.id(),
                        1.0,
                        Kind.ACCEPTED,
                        new Recomputed(1.0, 0.26, Regime.MIXED),
                        null,
                        Policy.defaults().hash()));
        assertThat(verdict.status()).isEqualTo(200);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "scales | [] | D_HAT_RECOMPUTATION | D_hat recomputation failed: fewer than 2 scales",
                "scales | [2] | D_HAT_RECOMPUTATION | D_hat recomputation failed: fewer than 2 scales",
                "scales | [2,64,32] | D_HAT_RECOMPUTATION | D_hat recomputation failed: N_j has no scale 64",
                "N_j | {\"2\":5,\"4\":0,\"8\":-1} | D_HAT_RECOMPUTATION | D_hat recomputation failed: N_j of scale 4 is 0",
                "D_hat | 1.150000001 | D_HAT_TOLERANCE | D_hat out of tolerance: claimed=1.1500, recomputed=1.0000, diff=0.1500 > tol=0.1500",
                "D_hat | -1e22 | D_HAT_TOLERANCE | D_hat out of tolerance: claimed=-10000000000000000000000.0000, recomputed=1.0000, diff=10000000000000000000000.0000 > tol=0.1500",
                "coh_star | 1.050000001 | COH_STAR_BOUNDS | coh_star out of bounds: 1.0500 not in [0, 1.0500]",
                "coh_star | -1e-9 | COH_STAR_BOUNDS | coh_star out of bounds: -0.0000 not in [0, 1.0500]",
                "r | 1.000000001 | R_BOUNDS | r out of bounds: 1.0000 not in [0, 1]",
                "r | -0.5 | R_BOUNDS | r out of bounds: -0.5000 not in [0, 1]",
            })
    void verify_falseClaim_isRejected(String field, String json, Rule rule, String text) throws MalformedCertificate {
        Verdict verdict = verify(CertificateText.valid().with(field, json));

        assertThat(verdict.kind()).isEqualTo(Kind.REJECTED);
        assertThat(verdict.reason()).isEqualTo(new Reason(rule, text));
        assertThat(verdict.recomputed() == null).isEqualTo(rule == Rule.D_HAT_RECOMPUTATION);
        assertThat(verdict.status()).isEqualTo(202);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "regime | \"sticky\" | REGIME | regime mismatch: claimed=sticky, expected=mixed",
                "coh_star | 0.7 | REGIME | regime mismatch: claimed=mixed, expected=sticky",
                "budget | 0.270000001 | BUDGET | budget deviation: claimed=0.2700, recomputed=0.2600",
                "budget | -3 | BUDGET | budget deviation: claimed=-3.0000, recomputed=0.2600",
                "ft | {\"degraded\":true} | DEGRADED | degraded: no fallback named",
                "ft | {\"degraded\":true,\"fallbacks\":[\"a\",\"b, c\",\"\"]} | DEGRADED | 'degraded: a, b, c, '",
            })
    void verify_doubtfulClaim_isEscalated(String field, String json, Rule rule, String text)
            throws MalformedCertificate {
        Verdict verdict = verify(CertificateText.valid().with(field, json));

        assertThat(verdict.kind()).isEqualTo(Kind.ESCALATED);
        assertThat(verdict.reason()).isEqualTo(new Reason(rule, text));
        assertThat(verdict.status()).isEqualTo(202);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "D_hat | 1.15",
                "D_hat | 0.85",
                "D_hat | 1.1500000004",
                "budget | 0.27",
                "budget | 0.25",
                "coh_star | 0.500000001",
                "N_j | {\"2\":5,\"4\":10,\"8\":20,\"16\":40,\"32\":-7}",
                "ft | {\"degraded\":false,\"fallbacks\":[\"x\"]}",
            })
    void verify_justWithinTheTolerance_isAccepted(String field, String json) throws MalformedCertificate {
        assertThat(verify(CertificateText.valid().with(field, json)).kind()).isEqualTo(Kind.ACCEPTED);
    }

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
    void verify_severalObjections_givesTheFirstStep() throws MalformedCertificate {
        CertificateText text = CertificateText.valid().with("ft", "{\"degraded\":true}");

        assertThat(rule(text)).isEqualTo(Rule.DEGRADED);
        assertThat(rule(text.with("budget", "0.9"))).isEqualTo(Rule.BUDGET);
        assertThat(rule(text.with("regime", "\"non_sticky\""))).isEqualTo(Rule.REGIME);
        assertThat(rule(text.with("r", "1.5"))).isEqualTo(Rule.R_BOUNDS);
        assertThat(rule(text.with("coh_star", "1.5"))).isEqualTo(Rule.COH_STAR_BOUNDS);
        assertThat(rule(text.with("D_hat", "5"))).isEqualTo(Rule.D_HAT_TOLERANCE);
        assertThat(rule(text.with("scales", "[]"))).isEqualTo(Rule.D_HAT_RECOMPUTATION);
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

    private static Verdict verify(CertificateText text) throws MalformedCertificate {
        return new Verifier(Policy.defaults()).verify(text.check());
    }

    private static Rule rule(CertificateText text) throws MalformedCertificate {
        return verify(text).reason().rule();
    }
}
