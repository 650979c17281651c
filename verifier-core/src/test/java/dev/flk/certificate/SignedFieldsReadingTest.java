// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.certificate.CertificateReader.ParsedCertificate;
import java.math.BigInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of {@link CertificateReader#parse}: the rules that must hold before a signature can be checked. */
class SignedFieldsReadingTest {
    @ParameterizedTest
    @ValueSource(strings = {"pcs_id", "shard_id", "epoch", "coh_star", "D_hat", "r", "budget", "merkle_root"})
    void parse_signedFieldMissing_isNamed(String field) {
        assertRefused(CertificateText.valid().without(field), field + " is missing");
    }

    @ParameterizedTest
    @CsvSource({
        "pcs_id, 1, must be a string",
        "shard_id, null, must be a string",
        "merkle_root, [], must be a string",
        "epoch, 1.0, must be a 64-bit integer",
        "epoch, 1e3, must be a 64-bit integer",
        "epoch, '\"1\"', must be a 64-bit integer",
        "epoch, 9223372036854775808, must be a 64-bit integer",
        "epoch, -9223372036854775809, must be a 64-bit integer",
        "D_hat, '\"1\"', must be a finite number",
        "D_hat, null, must be a finite number",
        "coh_star, true, must be a finite number",
        "r, {}, must be a finite number",
        "budget, [1], must be a finite number",
        "budget, 1e309, must be a finite number",
        "budget, -1e400, must be a finite number",
    })
    void parse_signedFieldOfWrongType_isNamed(String field, String json, String rule) {
        assertRefused(CertificateText.valid().with(field, json), field + " " + rule);
    }

    @Test
    void parse_integerBeyondADouble_isRefused() {
        // half a unit above the greatest double: the least number that does not round to it
        String limit =
                new BigInteger("2").pow(1024).subtract(BigInteger.TWO.pow(970)).toString();
        String below = new BigInteger(limit).subtract(BigInteger.ONE).toString();

        assertRefused(CertificateText.valid().with("budget", limit), "budget must be a finite number");
        assertThat(signed("budget", below)).isEqualTo(Double.MAX_VALUE);
    }

    @ParameterizedTest
    @CsvSource({
        "3, 3.0",
        "0, 0.0",
        "-0, 0.0",
        "-0.0, -0.0",
        "-0e5, -0.0",
        "1E+2, 100.0",
        "1e-400, 0.0",
        "9007199254740993, 9007199254740992.0",
        "9007199254740993.0000000000000000000000000000000000000001, 9007199254740994.0",
        "3.99999999999999982e-06, 4e-6",
        "123456789012345678901234567890, 1.2345678901234568E29",
    })
    void parse_real_isReadAsPythonReadsIt(String literal, double value) {
        assertThat(signed("budget", literal)).isEqualTo(value);
    }

    @Test
    void parse_longLiteralJustAboveATie_roundsUp() {
        // neighbours of 2^40 are 2^-12 apart
        String tie = "1099511627776.0001220703125";

        assertThat(signed("budget", tie)).isEqualTo(0x1p40);
        assertThat(signed("budget", tie + "0".repeat(400) + "1")).isEqualTo(Math.nextUp(0x1p40));
    }

    @Test
    void parse_severalProblems_namesTheFirstOfTheTable() {
        CertificateText text =
                CertificateText.valid().without("merkle_root").with("r", "null").with("schema", "1");

        assertRefused(text, "r must be a finite number");
        assertRefused(text.with("epoch", "0.5"), "epoch must be a 64-bit integer");
    }

    @Test
    void parse_onlyRulesOfTheSecondPhaseBroken_passes() throws MalformedCertificate {
        ParsedCertificate parsed = CertificateText.valid()
                .without("regime")
                .with("scales", "\"x\"")
                .epoch("-5")
                .parse();

        assertThat(parsed.signed().epoch()).isEqualTo(-5);
    }

    @Test
    void sig_isTheUnchangedText() throws MalformedCertificate {
        assertThat(CertificateText.valid().with("sig", "\"a b\\n\"").parse().sig())
                .isEqualTo("a b\n");
        assertThat(CertificateText.valid().with("sig", "\"\"").parse().sig()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "null", "5", "[\"x\"]", "{}"})
    void sig_missingOrNotAString_isNull(String json) throws MalformedCertificate {
        assertThat(CertificateText.valid().with("sig", json).parse().sig()).isNull();
    }

    private static double signed(String field, String literal) {
        try {
            return CertificateText.valid().with(field, literal).parse().signed().budget();
        } catch (MalformedCertificate e) {
            throw new AssertionError(e);
        }
    }

    private static void assertRefused(CertificateText text, String error) {
        assertThatExceptionOfType(MalformedCertificate.class)
                .isThrownBy(text::parse)
                .withMessage(error);
    }
}
