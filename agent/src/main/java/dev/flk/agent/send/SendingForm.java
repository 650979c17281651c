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
 * A certificate as it is sent: signed now, so that a changed key applies to what has waited, and with what is known only when it is
 * sent. Every other member keeps its bytes. Pure.
 *
 * @param signed the fields under the signature
 * @param line the whole certificate in UTF-8, without a line break
 */
public record SendingForm(SignedFields signed, byte[] line) {

    private static final String SENT_AT = "sent_at";

    /** What is known only when it is sent. */
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

    /**
     * The members of one JSON object, each value as the bytes it was written with: what is not replaced goes out as it came
     * in, unknown fields and the spelling of numbers included. Not for several threads.
     */
    private static final class Members {
        private final Map<String, byte[]> values = new LinkedHashMap<>();

        /** Reads an object that the strict reader of certificates has let through, or a part of one. */
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

        /** The bytes of a value, or null. */
        byte @Nullable [] get(String name) {
            return values.get(name);
        }

        /** Replaces a value in its place, or adds it at the end. */
        void set(String name, String json) {
            set(name, json.getBytes(StandardCharsets.UTF_8));
        }

        void set(String name, byte[] json) {
            values.put(name, json);
        }

        /** The object on one line: line breaks, which JSON has between tokens only, become spaces. */
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
