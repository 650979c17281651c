// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.program.cli.Json;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A version with its value parsed.
 *
 * @param sequence the sequence of the log record that has led to this version
 */
record RecordRow(long sequence, Version version, JsonNode value) {
    private static final List<String> VERDICTS = List.of("accepted", "escalated", "rejected");
    private static final List<String> REGIMES = List.of("sticky", "mixed", "non_sticky");
    private static final int OTHER = 3;

    static RecordRow of(Placed placed) {
        return new RecordRow(placed.sequence(), placed.version(), parsed(placed.version()));
    }

    static JsonNode parsed(Version version) {
        try {
            return Json.parse(version.json());
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("the value of " + version.key() + " is not JSON", e);
        }
    }

    RowKey key() {
        return version.key();
    }

    String json() {
        return version.json();
    }

    /** Returns a member that is a text, as Postgres can store it; an empty text if the value lacks the member. */
    String text(String member) {
        return storable(value.path(member).asText());
    }

    /** Replaces U+0000, which Postgres can't store in a text. */
    static String storable(String text) {
        return text.replace('\u0000', '\ufffd');
    }

    @Nullable
    Double number(String member) {
        JsonNode number = value.path(member);
        return number.isNumber() ? number.doubleValue() : null;
    }

    /** Returns the reason up to its numbers. */
    String reasonKind() {
        String reason = text("reason");
        int numbers = reason.indexOf(": ");
        return numbers < 0 ? reason : reason.substring(0, numbers);
    }

    long receivedMillis() {
        return Instant.parse(value.path("received_at").asText()).toEpochMilli();
    }

    /** Returns the time of the last measurement; null if it is unknown. It is not signed, and may be any text. */
    @Nullable
    Long measuredMillis() {
        try {
            String time = value.path("window_end").asText();
            return time.isEmpty() ? null : (Long) Instant.parse(time).toEpochMilli();
        } catch (DateTimeException | ArithmeticException e) {
            return null;
        }
    }

    short kind() {
        return (short) kind(value.path("verdict").asText(), value.path("regime").asText());
    }

    /** Combines a verdict and a regime. All values that this version does not know count as one. */
    private static int kind(String verdict, String regime) {
        return code(VERDICTS, verdict) << 2 | code(REGIMES, regime);
    }

    private static int code(List<String> known, String text) {
        int index = known.indexOf(text);
        return index < 0 ? OTHER : index;
    }

    /** Returns all kinds that may have this verdict and this regime; null stands for any. */
    static Short[] kinds(@Nullable String verdict, @Nullable String regime) {
        return IntStream.rangeClosed(0, OTHER << 2 | OTHER)
                .filter(kind -> (verdict == null || kind >> 2 == code(VERDICTS, verdict))
                        && (regime == null || (kind & OTHER) == code(REGIMES, regime)))
                .mapToObj(kind -> (short) kind)
                .toArray(Short[]::new);
    }

    static byte[] shard(RowKey key) {
        return utf8(key.shard());
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] utf8) {
        return new String(utf8, StandardCharsets.UTF_8);
    }

    static byte[] id(RowKey key) {
        return HexFormat.of().parseHex(key.pcsId());
    }
}
