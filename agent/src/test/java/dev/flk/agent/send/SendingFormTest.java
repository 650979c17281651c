// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.Signer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SendingFormTest {
    private static final Instant NOW = Instant.parse("2026-11-20T08:00:00.123456Z");
    private static final Optional<Signer> SIGNER = Optional.of(new HmacSigner("secret"));
    private static final SendingForm.Stamp STAMP = new SendingForm.Stamp(7, 3, NOW, -250);

    @Test
    void stamped_plainCertificate_getsTheFieldsKnownAtSending() throws Exception {
        assertThat(stamped(text(Certificates.certificate(1))))
                .contains("\"attempt\":3", "\"sent_at\":\"2026-11-20T08:00:00.123Z\"")
                .contains("\"ft\":{\"outbox_seq\":7,\"clock_skew_ms\":-250}")
                .doesNotContain("\n");
    }

    @Test
    void stamped_signedWithAnOldKey_isSignedAgain() throws Exception {
        String given =
                text(Certificates.certificate(1)).replace("{\"pcs_id\"", "{\"sig\":\"b2xk\",\"attempt\":9,\"pcs_id\"");

        String sent = stamped(given);

        assertThat(sent).doesNotContain("b2xk", "\"attempt\":9").containsOnlyOnce("\"sig\":");
    }

    @Test
    void stamped_unknownFieldsAndSpellings_areUnchanged() throws Exception {
        String digits = "1" + "0".repeat(2000) + "e-2000";
        String given = text(Certificates.certificate(1))
                .replace(
                        "\"D_hat\":1.0",
                        "\"D_hat\":1.000e0, \"é\\u00e9\" : {\"a\" : [ 1.0, " + digits + ",\"\\ud83c\\udf0b\"]}");

        assertThat(stamped(given))
                .contains("\"D_hat\":1.000e0", ":{\"a\" : [ 1.0, " + digits + ",\"\\ud83c\\udf0b\"]}", "\"éé\":");
    }

    @Test
    void stamped_ftOfTheCertifier_keepsItsOtherMembers() throws Exception {
        String given = text(Certificates.certificate(1))
                .replace(
                        "\"D_hat\"",
                        "\"ft\":{\"outbox_seq\":1,\"degraded\":true,\"fallbacks\":[\"short_window\"],\"x\":1},\"D_hat\"");

        assertThat(stamped(given))
                .contains(
                        "\"ft\":{\"outbox_seq\":7,\"degraded\":true,\"fallbacks\":[\"short_window\"],\"x\":1,\"clock_skew_ms\":-250}");
    }

    @Test
    void stamped_ftNotAnObject_isLeftUnchanged() throws Exception {
        String given = text(Certificates.certificate(1)).replace("\"D_hat\"", "\"ft\":[],\"D_hat\"");

        assertThat(stamped(given)).contains("\"ft\":[]").doesNotContain("outbox_seq");
    }

    @Test
    void stamped_severalLines_becomeOne() throws Exception {
        String given = text(Certificates.certificate(1)).replace(",", ",\r\n  ");

        byte[] line = SendingForm.stamped(given.getBytes(StandardCharsets.UTF_8), SIGNER, STAMP)
                .line();

        assertThat(text(line)).doesNotContain("\n", "\r");
        assertThat(CertificateReader.parse(line).signed().pcsId()).isEqualTo(Certificates.id(1));
    }

    @Test
    void stamped_withoutSigner_keepsTheSignature() throws Exception {
        String given = text(Certificates.certificate(1)).replace("{\"pcs_id\"", "{\"sig\":\"b2xk\",\"pcs_id\"");

        byte[] line = SendingForm.stamped(given.getBytes(StandardCharsets.UTF_8), Optional.empty(), STAMP)
                .line();

        assertThat(text(line)).contains("\"sig\":\"b2xk\"");
    }

    @Test
    void signed_withoutSentAt_getsOne() throws Exception {
        assertThat(text(SendingForm.signed(Certificates.certificate(1), SIGNER, NOW)
                        .line()))
                .contains("\"sent_at\":\"2026-11-20T08:00:00.123Z\"")
                .doesNotContain("attempt");
    }

    @Test
    void signed_withSentAt_keepsIt() throws Exception {
        byte[] once =
                SendingForm.signed(Certificates.certificate(1), SIGNER, NOW).line();

        assertThat(SendingForm.signed(once, SIGNER, NOW.plusSeconds(60)).line()).isEqualTo(once);
    }

    @Test
    void signed_notACertificate_isRefused() {
        assertThatExceptionOfType(MalformedCertificate.class)
                .isThrownBy(() -> SendingForm.signed("{}".getBytes(StandardCharsets.UTF_8), SIGNER, NOW));
    }

    private static String stamped(String certificate) throws MalformedCertificate {
        return text(SendingForm.stamped(certificate.getBytes(StandardCharsets.UTF_8), SIGNER, STAMP)
                .line());
    }

    private static String text(byte[] utf8) {
        return new String(utf8, StandardCharsets.UTF_8);
    }
}
