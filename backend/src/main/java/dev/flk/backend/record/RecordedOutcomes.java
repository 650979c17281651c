// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.flk.backend.state.ServedState;
import dev.flk.canonical.CanonicalString;
import dev.flk.state.Key;
import dev.flk.state.StateEngine;
import dev.flk.state.StateEngine.At;
import dev.flk.state.StateEngine.Found;
import dev.flk.state.StateException;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Page;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the record tells people: its shards, and the outcomes of one. Safe for any thread; reads on its caller's. */
public final class RecordedOutcomes {
    /** Of an answer, at the most. */
    public static final int MAX_LIMIT = 1_000;

    private static final JsonMapper JSON = new JsonMapper();
    /** Looked at for one answer, whether they are wanted or not. */
    private static final int LOOKED_AT = 10_000;

    private static final int READ_AT_ONCE = 10;
    private static final long MAX_CHARS = 2 << 20;

    private final StateEngine engine;

    public RecordedOutcomes(StateEngine engine) {
        this.engine = engine;
    }

    /**
     * Which outcomes of a shard are wanted.
     *
     * @param from received then or later; null: all
     * @param to received before; null: all
     * @param verdict null: any
     * @param regime null: any
     * @param limit how many at the most, 1 to {@link #MAX_LIMIT}
     * @param cursor where to go on; null: at the beginning
     */
    public record Wanted(
            String shard,
            @Nullable Instant from,
            @Nullable Instant to,
            @Nullable String verdict,
            @Nullable String regime,
            int limit,
            @Nullable String cursor) {
        private boolean passes(JsonNode outcome) {
            Instant received = Instant.parse(outcome.path("received_at").asText());
            return (from == null || !received.isBefore(from))
                    && (to == null || received.isBefore(to))
                    && (verdict == null
                            || verdict.equals(outcome.path("verdict").asText()))
                    && (regime == null || regime.equals(outcome.path("regime").asText()));
        }
    }

    /**
     * A part of what there is.
     *
     * @param lines JSON objects
     * @param cursor where to go on; null: that was all
     */
    public record Part(List<String> lines, @Nullable String cursor) {}

    /** The shards that have outcomes, in the order of their bytes. */
    public Part shards(String prefix, @Nullable String cursor, int limit) {
        Page<String> page = engine.agents(ServedState.RECORD, prefix, cursor, limit);
        List<String> lines = new ArrayList<>();
        for (String agentId : page.entries()) {
            ObjectNode line = JSON.createObjectNode();
            lines.add(line.put("shard_id", shardOf(agentId)).toString());
        }
        return new Part(lines, page.next());
    }

    private String shardOf(String agentId) {
        if (!RecordedOutcome.isHashed(agentId)) {
            return agentId;
        }
        Part one = outcomes(agentId, new Wanted(agentId, null, null, null, null, 1, null));
        return one.lines().isEmpty()
                ? agentId
                : parsed(one.lines().get(0)).path("shard_id").asText();
    }

    /**
     * Outcomes of a shard, by their epochs. The answer may have fewer than wanted, and go on.
     *
     * @throws StateException INVALID: the cursor is none
     */
    public Part outcomes(Wanted wanted) {
        return outcomes(RecordedOutcome.agentId(wanted.shard()), wanted);
    }

    private Part outcomes(String agentId, Wanted wanted) {
        List<String> lines = new ArrayList<>();
        String cursor = wanted.cursor();
        long chars = 0;
        int lookedAt = 0;
        while (true) {
            Page<KeyAt> page = engine.keys(
                    ServedState.RECORD, agentId, RecordedOutcome.KEY_PREFIX, cursor, new At.Now(), READ_AT_ONCE);
            List<Key> keys = page.entries().stream()
                    .map(entry -> new Key(ServedState.RECORD, agentId, entry.name()))
                    .toList();
            List<Found> found = engine.get(keys, new At.Now()).found();
            for (int i = 0; i < keys.size(); i++) {
                cursor = keys.get(i).name();
                if (found.get(i) instanceof Found.Present present
                        && present.version().json() != null) {
                    JsonNode outcome = parsed(present.version().json());
                    if (wanted.passes(outcome)) {
                        lines.add(line(keys.get(i), present.version().json()));
                        chars += present.version().json().length();
                    }
                }
                if (lines.size() >= wanted.limit() || chars >= MAX_CHARS || ++lookedAt >= LOOKED_AT) {
                    boolean isLast = i == keys.size() - 1 && page.next() == null;
                    return new Part(lines, isLast ? null : cursor);
                }
            }
            cursor = page.next(); // a page of what was deleted has no entries
            if (cursor == null || ++lookedAt >= LOOKED_AT) {
                return new Part(lines, cursor);
            }
        }
    }

    private static JsonNode parsed(String json) {
        try {
            return JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("the record holds what is no JSON", e);
        }
    }

    /** The value as it is, behind what the key says. */
    private static String line(Key key, String json) {
        String[] parts = key.name().split("/", -1);
        StringBuilder line = new StringBuilder("{");
        if (!RecordedOutcome.isHashed(key.agentId())) {
            CanonicalString.appendQuoted(line.append("\"shard_id\":"), key.agentId());
            line.append(',');
        }
        return line.append("\"epoch\":")
                .append(Long.parseLong(parts[1]))
                .append(",\"pcs_id\":\"")
                .append(parts[2])
                .append("\",")
                .append(json, 1, json.length())
                .toString();
    }
}
