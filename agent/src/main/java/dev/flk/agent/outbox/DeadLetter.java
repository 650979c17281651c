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
 * A certificate that was given up, and its line in the file of dead letters, a JSON object:
 *
 * <pre>
 * {"when":"2026-11-20T08:00:00Z","outbox_seq":7,"added":1795161600000,"pcs_id":"…","status":400,"reason":"…",
 *  "attempts":1,"certificate":{…}}
 * </pre>
 *
 * <p>{@code outbox_seq} and {@code added} name the entry that it was; {@code status} is there if an answer ended it. The certificate has
 * the bytes that it was taken in with, but for line breaks.
 *
 * @param when it was given up
 * @param sequence with {@code addedMillis}: which entry of the outbox it was
 * @param pcsId empty if it has none
 * @param status of the answer that ended it, 0 if none did
 * @param attempts how often it was sent since the agent's start
 * @param line the whole line, without its end
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

    /** The letter of an entry with this certificate, JSON in UTF-8 as it was taken in. */
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
            // line breaks stand between tokens only, so a space means the same
            json.writeRawValue(new String(certificate, StandardCharsets.UTF_8)
                    .replace('\n', ' ')
                    .replace('\r', ' '));
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
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
     * Selects the dead letters that match all of this.
     *
     * @param reason part of the reason, in any case
     * @param since not given up before
     * @param ids {@code pcs_id}s or outbox sequences, any of them; empty for all
     */
    public record DeadLetterFilter(Optional<String> reason, Optional<Instant> since, List<String> ids)
            implements Predicate<DeadLetter> {
        /** Keeps a copy. */
        public DeadLetterFilter {
            ids = List.copyOf(ids);
        }

        /** Whether it selects every letter. */
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
