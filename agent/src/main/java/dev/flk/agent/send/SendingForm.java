// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
import dev.flk.agent.outbox.UnboundedJson;
import dev.flk.canonical.SignedFields;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.signing.Signer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A certificate as it is sent. It is signed when it is sent, so that a changed key applies to waiting certificates, and stamped with
 * values that are only known then. All other members keep their bytes. Pure.
 *
 * @param signed the signed fields
 * @param line the complete certificate in UTF-8, without a line break
 */
public record SendingForm(SignedFields signed, byte[] line) {

    private static final String SENT_AT = "sent_at";

    /** The values that are only known when the certificate is sent. */
    record Stamp(long outboxSequence, int attempt, Instant sentAt, long clockSkewMillis) {}

    /**
     * Returns a certificate with a new signature; without a signer, it keeps the one that it has.
     *
     * @param now the value of {@code sent_at} if the certificate has none, because the backend requires one
     * @throws MalformedCertificate if it is not JSON, or a signed field is missing or of the wrong type
     */
    public static SendingForm signed(byte[] certificate, Optional<Signer> signer, Instant now)
            throws MalformedCertificate {
        return of(certificate, signer, members -> {
            if (members.get(SENT_AT) == null) {
                members.set(SENT_AT, time(now));
            }
        });
    }

    /** Returns a certificate with a new signature and the stamp of this attempt. */
    static SendingForm stamped(byte[] certificate, Optional<Signer> signer, Stamp stamp) throws MalformedCertificate {
        return of(certificate, signer, members -> {
            members.set("attempt", Integer.toString(stamp.attempt()));
            members.set(SENT_AT, time(stamp.sentAt()));
            byte[] given = members.get("ft");
            // an ft of another type stays as it is, and the backend rejects it
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

    /**
     * The members of one JSON object, with the original bytes of each value, so that members that are not replaced stay unchanged,
     * including unknown fields and the spelling of numbers. Not thread-safe.
     */
    private static final class Members {
        private final Map<String, byte[]> values = new LinkedHashMap<>();

        /** Reads an object, or part of one, that the strict reader of certificates has accepted. */
        static Members parse(byte[] object) {
            Members members = new Members();
            try (JsonParser parser = UnboundedJson.FACTORY.createParser(object)) {
                if (parser.nextToken() != JsonToken.START_OBJECT) {
                    throw new IllegalArgumentException("not a JSON object");
                }
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    parser.nextToken();
                    int start = (int) parser.currentTokenLocation().getByteOffset();
                    parser.skipChildren();
                    parser.finishToken();
                    int end = (int) parser.currentLocation().getByteOffset();
                    members.values.put(name, Arrays.copyOfRange(object, start, end));
                }
            } catch (IOException e) {
                throw new UncheckedIOException("not a JSON object", e);
            }
            return members;
        }

        /** Returns the bytes of a value; null if the member is missing. */
        byte @Nullable [] get(String name) {
            return values.get(name);
        }

        /** Replaces a value in place, or adds the member at the end. */
        void set(String name, String json) {
            set(name, json.getBytes(StandardCharsets.UTF_8));
        }

        void set(String name, byte[] json) {
            values.put(name, json);
        }

        /** Returns the object on one line; line breaks, which only occur between tokens in JSON, become spaces. */
        byte[] toLine() {
            var out = new ByteArrayOutputStream(2048);
            out.write('{');
            boolean first = true;
            for (Map.Entry<String, byte[]> member : values.entrySet()) {
                if (!first) {
                    out.write(',');
                }
                first = false;
                out.write('"');
                out.writeBytes(JsonStringEncoder.getInstance().quoteAsUTF8(member.getKey()));
                out.write('"');
                out.write(':');
                for (byte b : member.getValue()) {
                    out.write(b == '\n' || b == '\r' ? ' ' : b);
                }
            }
            out.write('}');
            return out.toByteArray();
        }
    }
}
