// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import dev.flk.agent.outbox.OutboxRecords.Name;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * A certificate that the agent has given up, with its line in the file of dead letters, a JSON object:
 *
 * <pre>
 * {"when":"2026-11-20T08:00:00Z","outbox_seq":7,"added":1795161600000,"pcs_id":"…","status":400,"reason":"…",
 *  "attempts":1,"certificate":{…}}
 * </pre>
 *
 * <p>{@code outbox_seq} and {@code added} identify the former entry of the outbox; {@code status} is present if an
 * answer was the reason. The certificate has its original bytes, except that spaces replace line breaks.
 *
 * @param when the time at which the agent gave the certificate up
 * @param sequence the sequence of the former entry, which {@code sequence} and {@code addedMillis} identify
 * @param pcsId the certificate's {@code pcs_id}; empty if it has none
 * @param status the status of the answer that was the reason; 0 if no answer was
 * @param attempts the number of attempts since the agent's start
 * @param line the complete line, without its line end
 */
public record DeadLetter(
        Instant when,
        long sequence,
        long addedMillis,
        String pcsId,
        int status,
        String reason,
        int attempts,
        byte[] certificate,
        byte[] line) {
    Name name() {
        return new Name(sequence, addedMillis);
    }

    /** Returns the letter of an entry with this certificate, which is JSON in UTF-8 as the agent accepted it. */
    public static DeadLetter of(
            Instant when,
            OutboxEntry entry,
            String pcsId,
            int status,
            String reason,
            int attempts,
            byte[] certificate) {
        var line = new ByteArrayOutputStream(certificate.length + 512);
        try (JsonGenerator json = UnboundedJson.FACTORY.createGenerator(line, JsonEncoding.UTF8)) {
            json.writeStartObject();
            json.writeStringField("when", when.toString());
            json.writeNumberField("outbox_seq", entry.sequence());
            json.writeNumberField("added", entry.addedMillis());
            json.writeStringField("pcs_id", pcsId);
            if (status != 0) {
                json.writeNumberField("status", status);
            }
            json.writeStringField("reason", reason);
            json.writeNumberField("attempts", attempts);
            json.writeFieldName("certificate");
            // line breaks occur only between tokens, where a space is equivalent
            json.writeRawValue(new String(certificate, StandardCharsets.UTF_8)
                    .replace('\n', ' ')
                    .replace('\r', ' '));
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e); // a write to memory does not fail
        }
        return new DeadLetter(
                when,
                entry.sequence(),
                entry.addedMillis(),
                pcsId,
                status,
                reason,
                attempts,
                certificate,
                line.toByteArray());
    }

    /**
     * Reads a line.
     *
     * @throws IOException if it is not a dead letter
     */
    static DeadLetter decode(byte[] line) throws IOException {
        Map<String, String> fields = new HashMap<>();
        byte[] certificate = {};
        try (JsonParser json = UnboundedJson.FACTORY.createParser(line)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw new IOException("not a JSON object");
            }
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String field = json.currentName();
                boolean scalar = json.nextToken().isScalarValue();
                int start = (int) json.currentTokenLocation().getByteOffset();
                if (field.equals("certificate")) {
                    json.skipChildren();
                    certificate = Arrays.copyOfRange(
                            line, start, (int) json.currentLocation().getByteOffset());
                } else if (scalar) {
                    fields.put(field, json.getText());
                } else {
                    json.skipChildren();
                }
            }
            if (json.nextToken() != null) {
                throw new IOException("more text follows the object");
            }
            if (certificate.length == 0) {
                throw new IOException("certificate is missing");
            }
            return new DeadLetter(
                    Instant.parse(fields.getOrDefault("when", Instant.EPOCH.toString())),
                    Long.parseLong(fields.getOrDefault("outbox_seq", "")),
                    Long.parseLong(fields.getOrDefault("added", "")),
                    fields.getOrDefault("pcs_id", ""),
                    Integer.parseInt(fields.getOrDefault("status", "0")),
                    fields.getOrDefault("reason", ""),
                    Integer.parseInt(fields.getOrDefault("attempts", "0")),
                    certificate,
                    line);
        } catch (JsonProcessingException e) {
            throw new IOException("not a JSON object", e); // its message would show the content
        } catch (DateTimeException | NumberFormatException e) {
            throw new IOException("when, outbox_seq, added, status or attempts is missing or malformed", e);
        }
    }

    /**
     * A filter that selects the dead letters that match every part of it.
     *
     * @param reason a part of the reason; case is ignored
     * @param since the earliest time at which a letter was given up
     * @param ids {@code pcs_id}s or outbox sequences, of which a letter must match one; empty for all
     */
    public record DeadLetterFilter(Optional<String> reason, Optional<Instant> since, List<String> ids)
            implements Predicate<DeadLetter> {
        /** Copies the list. */
        public DeadLetterFilter {
            ids = List.copyOf(ids);
        }

        /** Returns whether the filter selects every letter. */
        public boolean isAll() {
            return reason.isEmpty() && since.isEmpty() && ids.isEmpty();
        }

        @Override
        public boolean test(DeadLetter letter) {
            return reason.map(part -> lower(letter.reason()).contains(lower(part)))
                            .orElse(true)
                    && since.map(from -> !letter.when().isBefore(from)).orElse(true)
                    && (ids.isEmpty()
                            || ids.contains(letter.pcsId())
                            || ids.contains(Long.toString(letter.sequence())));
        }

        private static String lower(String text) {
            return text.toLowerCase(Locale.ROOT);
        }
    }
}
