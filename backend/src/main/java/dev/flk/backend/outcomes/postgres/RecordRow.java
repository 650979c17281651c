// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordedOutcome;
import dev.flk.program.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/** A version with its value parsed. */
record RecordRow(Placed placed, JsonNode value) {
    static RecordRow of(Placed placed) {
        return new RecordRow(placed, parsed(placed.version()));
    }

    static JsonNode parsed(Version version) {
        try {
            return Json.parse(version.json());
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("the value of " + version.key() + " is not JSON", e);
        }
    }

    long sequence() {
        return placed.sequence();
    }

    RowKey key() {
        return placed.version().key();
    }

    String json() {
        return placed.version().json();
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
        return RecordedOutcome.reasonKind(text("reason"));
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
