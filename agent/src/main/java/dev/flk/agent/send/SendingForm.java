// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.outbox.certificate.JsonMembers;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.signing.Signer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A certificate as it is sent. An agent signs and stamps a certificate only when sending it: a new key therefore
 * applies to waiting certificates, too, and the stamp contains values that are known only then, such as the number of
 * the attempt. All members other than the stamp and the signature keep their bytes, except that spaces replace line
 * breaks. Pure.
 *
 * @param signed the signed fields
 * @param line the complete certificate in UTF-8, without a line break
 */
public record SendingForm(SignedFields signed, byte[] line) {

    private static final String SENT_AT = "sent_at";

    /** The values that are only known when the certificate is sent. */
    record Stamp(long outboxSequence, int attempt, Instant sentAt, long clockSkewMillis) {}

    /**
     * Returns a certificate with a new signature. If there is no signer, the certificate keeps its old signature.
     *
     * @param now the value of {@code sent_at} if the certificate lacks that member, which the backend requires
     * @throws MalformedCertificate if the certificate is not JSON, or a signed field is missing or of the wrong type
     */
    public static SendingForm signed(byte[] certificate, Optional<Signer> signer, Instant now)
            throws MalformedCertificate {
        return of(certificate, signer, members -> {
            if (members.get(SENT_AT) == null) {
                members.set(SENT_AT, time(now));
            }
        });
    }

    /**
     * Returns a certificate with the stamp of this attempt and a new signature. If there is no signer, the certificate
     * keeps its old signature.
     */
    static SendingForm stamped(byte[] certificate, Optional<Signer> signer, Stamp stamp) throws MalformedCertificate {
        return of(certificate, signer, members -> {
            members.set("attempt", Integer.toString(stamp.attempt()));
            members.set(SENT_AT, time(stamp.sentAt()));
            byte[] given = members.get("ft");
            // leaves an ft that is not an object unchanged; the backend rejects such a certificate
            if (given == null || given[0] == '{') {
                JsonMembers ft = members(given == null ? new byte[] {'{', '}'} : given);
                ft.set("outbox_seq", Long.toString(stamp.outboxSequence()));
                ft.set("clock_skew_ms", Long.toString(stamp.clockSkewMillis()));
                members.set("ft", ft.toLine());
            }
        });
    }

    private static SendingForm of(byte[] certificate, Optional<Signer> signer, Consumer<JsonMembers> change)
            throws MalformedCertificate {
        return CertificateLimit.parsing(certificate.length, () -> {
            // the parsed certificate must not stay in memory while the members are read
            SignedPart signed = sign(CertificateReader.parse(certificate), signer);
            JsonMembers members = members(certificate);
            change.accept(members);
            signed.sig().ifPresent(sig -> members.set("sig", sig));
            return new SendingForm(signed.fields(), members.toLine());
        });
    }

    private record SignedPart(SignedFields fields, Optional<String> sig) {}

    private static SignedPart sign(ParsedCertificate parsed, Optional<Signer> signer) {
        return new SignedPart(parsed.signed(), signer.map(key -> "\"" + key.sign(parsed.canonicalForm()) + "\""));
    }

    private static String time(Instant instant) {
        return "\"" + instant.truncatedTo(ChronoUnit.MILLIS) + "\"";
    }

    /** Returns the members of an object that the strict reader of certificates has accepted. */
    private static JsonMembers members(byte[] object) {
        try {
            return JsonMembers.parse(object);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
