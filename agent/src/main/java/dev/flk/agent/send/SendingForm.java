// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.canonical.SignedFields;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.signing.Signer;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;

/**
 * A certificate as it goes out: signed anew, so that a changed key applies to what has waited, and with what is known only
 * at sending. Every other member keeps the bytes it had. Pure.
 *
 * @param signed the fields under the signature
 * @param line the whole certificate in UTF-8, without a line break
 */
public record SendingForm(SignedFields signed, byte[] line) {

    private static final String SENT_AT = "sent_at";

    /** What is known only at sending. */
    record Stamp(long outboxSequence, int attempt, Instant sentAt, long clockSkewMillis) {}

    /**
     * Signs, replacing the signature that was there; without a signer the certificate keeps what it has.
     *
     * @param now becomes {@code sent_at} where there is none: without it the backend takes no certificate
     * @throws MalformedCertificate if a signed field is missing or of the wrong type, or it is no JSON
     */
    public static SendingForm signed(byte[] certificate, Optional<Signer> signer, Instant now)
            throws MalformedCertificate {
        return of(certificate, signer, members -> {
            if (members.get(SENT_AT) == null) {
                members.set(SENT_AT, time(now));
            }
        });
    }

    /** The same, with the stamp of this sending. */
    static SendingForm stamped(byte[] certificate, Optional<Signer> signer, Stamp stamp) throws MalformedCertificate {
        return of(certificate, signer, members -> {
            members.set("attempt", Integer.toString(stamp.attempt()));
            members.set(SENT_AT, time(stamp.sentAt()));
            byte[] given = members.get("ft");
            // an ft of another type is the backend's to refuse, not ours to heal
            if (given == null || given[0] == '{') {
                Members ft = Members.parse(given == null ? new byte[] {'{', '}'} : given);
                ft.set("outbox_seq", Long.toString(stamp.outboxSequence()));
                ft.set("clock_skew_ms", Long.toString(stamp.clockSkewMillis()));
                members.set("ft", ft.toLine());
            }
        });
    }

    private static SendingForm of(byte[] certificate, Optional<Signer> signer, Change change)
            throws MalformedCertificate {
        ParsedCertificate parsed = CertificateReader.parse(certificate);
        Members members = Members.parse(certificate);
        change.apply(members);
        signer.ifPresent(key -> members.set("sig", "\"" + key.sign(parsed.canonicalForm()) + "\""));
        return new SendingForm(parsed.signed(), members.toLine());
    }

    private static String time(Instant instant) {
        return "\"" + instant.truncatedTo(ChronoUnit.MILLIS) + "\"";
    }

    private interface Change {
        void apply(Members members);
    }
}
