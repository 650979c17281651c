// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.certificate.Certificate.FaultTolerance;
import dev.flk.certificate.Certificate.FaultTolerance.Window;
import dev.flk.certificate.Certificate.Regime;
import java.time.Instant;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of each rule of the format, with values on both sides of its limit. */
class CertificateRulesTest {
    @Test
    void check_valid_hasAllFields() throws MalformedCertificate {
        Certificate certificate = CertificateText.valid().check();

        assertThat(certificate.id()).isEqualTo(PcsId.of("ab".repeat(32), 42, "shard-7"));
        assertThat(certificate.attempt()).isEqualTo(1);
        assertThat(certificate.sentAt()).isEqualTo("2026-01-19T10:30:45Z");
        assertThat(certificate.seed()).isEqualTo(7);
        assertThat(certificate.scales()).containsExactly(2, 4, 8, 16);
        assertThat(certificate.counts())
                .isEqualTo(new BoxCounts(List.of("2", "4", "8", "16"), List.of(5L, 10L, 20L, 40L)));
        assertThat(certificate.vStar()).containsExactly(0.1, 0.2);
        assertThat(certificate.regime()).isEqualTo(Regime.MIXED);
        assertThat(certificate.faultTolerance()).isEqualTo(new FaultTolerance(3L, false, List.of(), -5L, null));
    }

    @Test
    void check_timesOfMeasurement_areReadOrIgnored() throws MalformedCertificate {
        String window = "{\"window_start\":\"2026-01-19T10:00:00Z\",\"window_end\":\"%s\"}";

        assertThat(CertificateText.valid()
                        .with("ft", window.formatted("2026-01-19T12:00:00+01:00"))
                        .check()
                        .faultTolerance()
                        .window())
                .isEqualTo(new Window(Instant.parse("2026-01-19T10:00:00Z"), Instant.parse("2026-01-19T11:00:00Z")));
        for (String end : List.of("2026-01-19T09:59:59Z", "yesterday")) {
            assertThat(CertificateText.valid()
                            .with("ft", window.formatted(end))
                            .check()
                            .faultTolerance()
                            .window())
                    .isNull();
        }
    }

    @Test
    void check_withoutOptionalFields_hasDefaults() throws MalformedCertificate {
        Certificate certificate = CertificateText.valid()
                .without("attempt")
                .without("seed")
                .without("v_star")
                .without("ft")
                .without("sig")
                .check();

        assertThat(certificate.attempt()).isEqualTo(1);
        assertThat(certificate.seed()).isNull();
        assertThat(certificate.vStar()).isNull();
        assertThat(certificate.faultTolerance()).isEqualTo(FaultTolerance.NONE);
    }

    @ParameterizedTest
    @ValueSource(strings = {"schema", "version", "sent_at", "scales", "N_j", "regime"})
    void check_requiredFieldMissing_isNamed(String field) {
        assertRefused(CertificateText.valid().without(field), field + " is missing");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "schema", "version", "sent_at", "scales", "N_j", "regime", "attempt", "seed", "v_star", "ft", "sig"
            })
    void check_null_isRefused(String field) {
        assertRefused(CertificateText.valid().with(field, "null"), field + " must ");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "schema | \"fractal-lba-kakeya \" | schema must be \"fractal-lba-kakeya\"",
                "schema | 1 | schema must be a string",
                "version | \"0.2\" | version \"0.2\" is not supported; supported versions: 0.1",
                "version | 0.1 | version must be a string",
                "attempt | 0 | attempt must be at least 1",
                "attempt | -99999999999999999999999999 | attempt must be at least 1",
                "attempt | 1.0 | attempt must be an integer",
                "sent_at | \"2026-01-19 10:30:45Z\" | sent_at must be an RFC 3339 time",
                "sent_at | 1768818645 | sent_at must be a string",
                "seed | 9223372036854775808 | seed must be a 64-bit integer",
                "seed | -9223372036854775809 | seed must be a 64-bit integer",
                "seed | 1e3 | seed must be a 64-bit integer",
                "seed | \"7\" | seed must be a 64-bit integer",
                "scales | {} | scales must be an array of integers",
                "scales | [0,2] | scales must be integers from 1 to 2147483647",
                "scales | [2,2147483648] | scales must be integers from 1 to 2147483647",
                "scales | [2,4.0] | scales must be integers from 1 to 2147483647",
                "scales | [2,[4]] | scales must be integers from 1 to 2147483647",
                "scales | [2,99999999999999999999] | scales must be integers from 1 to 2147483647",
                "scales | [2,4,2] | scales must not repeat: 2 does",
                "N_j | [] | N_j must be an object of integers",
                "N_j | {\"02\":5} | N_j must have decimal keys without leading zeros, not \"02\"",
                "N_j | {\"\":5} | N_j must have decimal keys without leading zeros, not \"\"",
                "N_j | {\"-2\":5} | N_j must have decimal keys without leading zeros, not \"-2\"",
                "N_j | {\"+2\":5} | N_j must have decimal keys without leading zeros, not \"+2\"",
                "N_j | {\"2.0\":5} | N_j must have decimal keys without leading zeros, not \"2.0\"",
                "N_j | {\" 2\":5} | N_j must have decimal keys without leading zeros, not \" 2\"",
                "N_j | {\"00\":5} | N_j must have decimal keys without leading zeros, not \"00\"",
                "N_j | {\"\\u0662\":5} | N_j must have decimal keys without leading zeros, not \"\\u0662\"",
                "N_j | {\"2\":9223372036854775808} | N_j must have 64-bit integers as values; the value of \"2\" is not one",
                "N_j | {\"2\":5.0} | N_j must have 64-bit integers as values; the value of \"2\" is not one",
                "N_j | {\"2\":{}} | N_j must have 64-bit integers as values; the value of \"2\" is not one",
                "v_star | {} | v_star must be an array of finite numbers",
                "v_star | [\"1\"] | v_star must be finite numbers",
                "v_star | [1e309] | v_star must be finite numbers",
                "v_star | [[1]] | v_star must be finite numbers",
                "regime | \"Mixed\" | regime must be sticky, mixed or non_sticky",
                "regime | 1 | regime must be a string",
                "sig | 5 | sig must be a string",
                "ft | [] | ft must be an object",
                "ft | {\"outbox_seq\":1.5} | ft outbox_seq must be an integer",
                "ft | {\"clock_skew_ms\":\"1\"} | ft clock_skew_ms must be an integer",
                "ft | {\"degraded\":1} | ft degraded must be true or false",
                "ft | {\"degraded\":null} | ft degraded must be true or false",
                "ft | {\"fallbacks\":\"x\"} | ft fallbacks must be an array of strings",
                "ft | {\"fallbacks\":[\"x\",1]} | ft fallbacks must be an array of strings",
            })
    void check_ruleBroken_namesFieldAndRule(String field, String json, String error) {
        assertRefused(CertificateText.valid().with(field, json), error);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "schema | \"fractal\\u002dlba-kakeya\"",
                "attempt | 99999999999999999999999999",
                "seed | 9223372036854775807",
                "seed | -9223372036854775808",
                "seed | -0",
                "scales | []",
                "scales | [1,2147483647]",
                "N_j | {}",
                "N_j | {\"0\":0,\"2\":9223372036854775807,\"4\":-9223372036854775808}",
                "N_j | {\"99999999999999999999999999\":1}",
                "v_star | []",
                "v_star | [0,-0,-0.0,1e308,1e-400,123456789012345678901234567890]",
                "regime | \"sticky\"",
                "regime | \"non_sticky\"",
                "ft | {}",
                "ft | {\"outbox_seq\":-99999999999999999999999999,\"unknown\":{\"x\":[1]}}",
                "unknown | {\"a\":[null,true,false,1.50,\"\\u00e9\"]}",
            })
    void check_ruleJustKept_passes(String field, String json) throws MalformedCertificate {
        assertThat(CertificateText.valid().with(field, json).check()).isNotNull();
    }

    @Test
    void check_64Scales_pass_65_doNot() throws MalformedCertificate {
        assertThat(CertificateText.valid().with("scales", integers(64)).check().scales())
                .hasSize(64);
        assertRefused(CertificateText.valid().with("scales", integers(65)), "scales must have at most 64 elements");
    }

    @Test
    void check_256Counts_pass_257_doNot() throws MalformedCertificate {
        assertThat(CertificateText.valid()
                        .with("N_j", counts(256))
                        .check()
                        .counts()
                        .counts())
                .hasSize(256);
        assertRefused(CertificateText.valid().with("N_j", counts(257)), "N_j must have at most 256 keys");
    }

    @Test
    void check_65536ElementsOfVStar_pass_65537_doNot() throws MalformedCertificate {
        assertThat(CertificateText.valid()
                        .with("v_star", integers(65_536))
                        .check()
                        .vStar())
                .hasSize(65_536);
        assertRefused(
                CertificateText.valid().with("v_star", integers(65_537)), "v_star must have at most 65536 elements");
    }

    @Test
    void check_shardIdOf256CodePoints_passes_257_doesNot() throws MalformedCertificate {
        String astral = "\ud83d\udcde";

        assertThat(CertificateText.valid().shardId(astral.repeat(256)).check()).isNotNull();
        assertRefused(CertificateText.valid().shardId(astral.repeat(257)), "shard_id must have 1 to 256 characters");
        assertRefused(CertificateText.valid().shardId(""), "shard_id must have 1 to 256 characters");
    }

    @Test
    void check_epochFrom0_toTheGreatest_passes() throws MalformedCertificate {
        assertThat(CertificateText.valid().epoch("0").check().signed().epoch()).isZero();
        assertThat(CertificateText.valid().epoch("-0").check().signed().epoch()).isZero();
        assertThat(CertificateText.valid()
                        .epoch("9223372036854775807")
                        .check()
                        .signed()
                        .epoch())
                .isEqualTo(Long.MAX_VALUE);
        assertRefused(CertificateText.valid().epoch("-1"), "epoch must be from 0 to 9223372036854775807");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "abc", "g"})
    void check_merkleRootNot64LowerCaseHexDigits_isRefused(String root) {
        assertRefused(CertificateText.valid().merkleRoot(root), "merkle_root must be 64 lower-case hex digits");
        for (String digits : List.of("AB", "0g")) {
            assertRefused(
                    CertificateText.valid().merkleRoot(digits.repeat(32)),
                    "merkle_root must be 64 lower-case hex digits");
        }
    }

    @Test
    void check_idOfOtherFields_isRefused() {
        assertRefused(
                CertificateText.valid().with("pcs_id", "\"" + "0".repeat(64) + "\""),
                "pcs_id must be the SHA-256 of merkle_root|epoch|shard_id");
    }

    @Test
    void check_idNotHex_isRefused() {
        assertRefused(CertificateText.valid().with("pcs_id", "\"x\""), "pcs_id must be 64 lower-case hex digits");
    }

    @Test
    void check_severalProblems_namesTheFirstOfTheTable() {
        CertificateText text = CertificateText.valid()
                .with("ft", "1")
                .with("regime", "1")
                .with("seed", "\"\"")
                .without("scales");

        assertRefused(text, "seed must be a 64-bit integer");
        assertRefused(text.shardId(""), "shard_id must have");
        assertRefused(text.with("schema", "\"\""), "schema must be");
        assertRefused(text.with("pcs_id", "\"\""), "pcs_id must be");
    }

    private static void assertRefused(CertificateText text, String error) {
        assertThatExceptionOfType(MalformedCertificate.class)
                .isThrownBy(text::check)
                .withMessageStartingWith(error);
    }

    private static String integers(int count) {
        return IntStream.rangeClosed(1, count).mapToObj(Integer::toString).collect(Collectors.joining(",", "[", "]"));
    }

    private static String counts(int count) {
        return IntStream.range(0, count)
                .mapToObj(key -> "\"" + key + "\":" + key)
                .collect(Collectors.joining(",", "{", "}"));
    }
}
