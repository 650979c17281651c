// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.FieldValues.Rfc3339;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SentAtTest {
    private static final Instant NOW = Instant.parse("2026-01-19T10:30:00Z");
    private static final Duration SKEW = Duration.ofMinutes(5);

    @ParameterizedTest
    @CsvSource({
        "2026-01-19T10:30:45Z, 2026-01-19T10:30:45Z",
        "2026-01-19t10:30:45z, 2026-01-19T10:30:45Z",
        "2026-01-19T10:30:45.5Z, 2026-01-19T10:30:45.500Z",
        "2026-01-19T10:30:45.1234567899Z, 2026-01-19T10:30:45.123456789Z",
        "2026-01-19T10:30:45+00:00, 2026-01-19T10:30:45Z",
        "2026-01-19T10:30:45-00:00, 2026-01-19T10:30:45Z",
        "2026-01-19T12:30:45+02:00, 2026-01-19T10:30:45Z",
        "2026-01-18T23:00:45-11:30, 2026-01-19T10:30:45Z",
        "2026-01-20T10:29:45+23:59, 2026-01-19T10:30:45Z",
        "2024-02-29T00:00:00Z, 2024-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z, 0000-01-01T00:00:00Z",
        "1990-12-31T23:59:60Z, 1991-01-01T00:00:00Z",
        "1990-12-31T15:59:60-08:00, 1991-01-01T00:00:00Z",
    })
    void parse_rfc3339_isRead(String text, Instant instant) {
        assertThat(Rfc3339.parse(text)).contains(instant);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "2026-01-19",
                "2026-01-19T10:30:45",
                "2026-01-19T10:30Z",
                "2026-01-19 10:30:45Z",
                "2026-1-19T10:30:45Z",
                "2026-02-29T10:30:45Z",
                "2026-13-01T10:30:45Z",
                "2026-01-00T10:30:45Z",
                "2026-01-19T24:00:00Z",
                "2026-01-19T10:60:00Z",
                "2026-01-19T10:30:60Z",
                "2026-01-19T10:30:61Z",
                "2026-01-19T10:30:45.Z",
                "2026-01-19T10:30:45,5Z",
                "2026-01-19T10:30:45+24:00",
                "2026-01-19T10:30:45+02:60",
                "2026-01-19T10:30:45+0200",
                "2026-01-19T10:30:45+02",
                "2026-01-19T10:30:45Z[UTC]",
                " 2026-01-19T10:30:45Z",
                "2026-01-19T10:30:45Z\n",
                "+12026-01-19T10:30:45Z",
                "20260119T103045Z",
                "٢٠٢٦-01-19T10:30:45Z"
            })
    void parse_anythingElse_isEmpty(String text) {
        assertThat(Rfc3339.parse(text)).isEmpty();
    }

    @Test
    void check_justWithinTheSkew_passes() throws MalformedCertificate {
        assertThat(sentAt("2026-01-19T10:35:00Z").check(NOW, SKEW)).isNotNull();
    }

    @Test
    void check_longAgo_passes() throws MalformedCertificate {
        assertThat(sentAt("0000-01-01T00:00:00Z").check(NOW, SKEW)).isNotNull();
    }

    @ParameterizedTest
    @CsvSource({
        "2026-01-19T10:35:00.001Z, 2026-01-19T10:35:00.001Z, 5m0.001s",
        "2026-01-19T13:30:00+01:00, 2026-01-19T12:30:00Z, 2h",
        "9999-12-31T23:59:59Z, 9999-12-31T23:59:59Z, 69898189h29m59s",
    })
    void check_furtherAhead_isRefused(String text, String sentAt, String ahead) {
        assertThatExceptionOfType(MalformedCertificate.class)
                .isThrownBy(() -> sentAt(text).check(NOW, SKEW))
                .withMessage("timestamp in future: sent_at=" + sentAt + ", now=2026-01-19T10:30:00Z, ahead=" + ahead);
    }

    @Test
    void check_zeroSkew_acceptsAnyFutureTime() throws MalformedCertificate {
        assertThat(sentAt("9999-12-31T23:59:59Z").check(NOW, Duration.ZERO)).isNotNull();
    }

    @Test
    void checkIgnoringClock_givesTheSameCertificate() throws MalformedCertificate {
        ParsedCertificate parsed = sentAt("2026-01-19T10:30:45Z");

        assertThat(parsed.checkIgnoringClock()).isEqualTo(parsed.check(NOW, SKEW));
    }

    @Test
    void check_futureAndOtherProblems_keepsTheOrderOfTheTable() {
        CertificateText text = CertificateText.valid()
                .with("sent_at", "\"2027-01-01T00:00:00Z\"")
                .with("seed", "[]");

        assertThatExceptionOfType(MalformedCertificate.class)
                .isThrownBy(() -> text.parse().check(NOW, SKEW))
                .withMessageStartingWith("timestamp in future");
        assertThatExceptionOfType(MalformedCertificate.class)
                .isThrownBy(() -> text.with("attempt", "0").parse().check(NOW, SKEW))
                .withMessageStartingWith("attempt");
    }

    private static ParsedCertificate sentAt(String text) throws MalformedCertificate {
        return CertificateText.valid().with("sent_at", "\"" + text + "\"").parse();
    }
}
