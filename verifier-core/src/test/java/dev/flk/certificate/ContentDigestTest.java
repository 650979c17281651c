// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.flk.canonical.Sha256;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ContentDigestTest {
    private static final String UNKNOWN = "{\"b\":[1.50,\"\\u00e9/\",null],\"a\":true,\"B\":-0}";

    @Test
    void digest_isOfTheDocumentedPreimage() throws MalformedCertificate {
        Certificate certificate = CertificateText.valid()
                .with("unknown", UNKNOWN)
                .with("Z", "\"\\n\\u0001\\\"\\\\\u007f\\ud83d\\udcde\"")
                .with("v_star", "[1,-0.0]")
                .with("seed", "-0")
                .check();

        String preimage = new String(certificate.signed().canonicalForm(), StandardCharsets.US_ASCII)
                + "\n{\"N_j\":{\"16\":40,\"2\":5,\"4\":10,\"8\":20},\"Z\":\"\\n\\u0001\\\"\\\\\u007f\ud83d\udcde\","
                + "\"regime\":\"mixed\",\"scales\":[2,4,8,16],\"schema\":\"fractal-lba-kakeya\",\"seed\":0,"
                + "\"unknown\":{\"B\":0,\"a\":true,\"b\":[1.50,\"é/\",null]},\"version\":\"0.1\"}"
                + "\n[3ff0000000000000,8000000000000000]\n";
        assertThat(certificate.contentDigest().toBytes())
                .isEqualTo(Sha256.of(preimage.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void digest_withoutVStar_hasAnEmptyThirdLine() throws MalformedCertificate {
        Certificate certificate =
                CertificateText.valid().without("v_star").without("seed").check();

        String preimage = new String(certificate.signed().canonicalForm(), StandardCharsets.US_ASCII)
                + "\n{\"N_j\":{\"16\":40,\"2\":5,\"4\":10,\"8\":20},\"regime\":\"mixed\",\"scales\":[2,4,8,16],"
                + "\"schema\":\"fractal-lba-kakeya\",\"version\":\"0.1\"}\n\n";
        assertThat(certificate.contentDigest().toBytes())
                .isEqualTo(Sha256.of(preimage.getBytes(StandardCharsets.UTF_8)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "attempt | 2",
                "attempt | ''",
                "sent_at | \"2025-01-01T00:00:00Z\"",
                "sig | \"abc\"",
                "ft | {\"degraded\":true}",
                "ft | ''",
                "coh_star | 5e-1",
                "coh_star | 0.50000000000000000001",
                "coh_star | 0.5000000004",
                "D_hat | 1",
                "N_j | { \"16\" : 40, \"8\" : 20, \"4\" : 10, \"2\" : 5 }",
                "v_star | [1e-1,0.20]",
                "schema | \"\\u0066ractal-lba-kakeya\"",
                "unknown | {\"a\":true,\"B\":0,\"b\":[1.50,\"é\\/\",null]}",
            })
    void digest_otherSpellingOrFieldsOutsideTheContent_isTheSame(String field, String json)
            throws MalformedCertificate {
        assertThat(digest(CertificateText.valid().with("unknown", UNKNOWN).with(field, json)))
                .isEqualTo(digest(CertificateText.valid().with("unknown", UNKNOWN)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "coh_star | 0.500000001",
                "D_hat | -1",
                "seed | 8",
                "seed | ''",
                "scales | [2,4,16,8]",
                "scales | [2,4,8]",
                "N_j | {\"2\":5,\"4\":10,\"8\":20,\"16\":41}",
                "N_j | {\"2\":5,\"4\":10,\"8\":20,\"16\":40,\"32\":80}",
                "v_star | [0.1,0.20000000000000004]",
                "v_star | [0.2,0.1]",
                "v_star | []",
                "v_star | ''",
                "regime | \"sticky\"",
                "unknown | ''",
                "unknown | {\"b\":[1.5,\"\\u00e9/\",null],\"a\":true,\"B\":-0}",
                "unknown | {\"b\":[1.50,\"\\u00e9/\",null],\"a\":false,\"B\":-0}",
                "unknown | {\"b\":[null,1.50,\"\\u00e9/\"],\"a\":true,\"B\":-0}",
                "another | null",
            })
    void digest_otherContent_isAnother(String field, String json) throws MalformedCertificate {
        assertThat(digest(CertificateText.valid().with("unknown", UNKNOWN).with(field, json)))
                .isNotEqualTo(digest(CertificateText.valid().with("unknown", UNKNOWN)));
    }

    @Test
    void of_bytes_isThatDigest() throws MalformedCertificate {
        ContentDigest digest = digest(CertificateText.valid());

        assertThat(ContentDigest.of(digest.toBytes())).isEqualTo(digest).hasSameHashCodeAs(digest);
        assertThat(digest.hex()).hasSize(64).isEqualTo(digest.toString());
    }

    @Test
    void of_otherLength_isRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ContentDigest.of(new byte[31]))
                .withMessageContaining("31");
    }

    @Test
    void bytes_areCopies() {
        byte[] bytes = new byte[32];
        ContentDigest digest = ContentDigest.of(bytes);
        bytes[0] = 1;
        digest.toBytes()[0] = 2;

        assertThat(digest).isEqualTo(ContentDigest.of(new byte[32]));
    }

    private static ContentDigest digest(CertificateText text) throws MalformedCertificate {
        return text.check().contentDigest();
    }
}
