// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.flk.backend.state.ServedState;
import dev.flk.canonical.CanonicalString;
import dev.flk.state.History.At;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateKey;
import dev.flk.state.StateReads.Found;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Page;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Queries of the record: its shards, and the outcomes of a shard. Safe for any thread; reads on the caller's thread.
 */
public final class RecordedOutcomes {
    /** The maximum number of lines in an answer. */
    public static final int MAX_LIMIT = 1_000;

    private static final JsonMapper JSON = new JsonMapper();
    /** The maximum number of outcomes examined for one answer, matching or not. */
    private static final int LOOKED_AT = 10_000;

    private static final int READ_AT_ONCE = 10;
    private static final long MAX_CHARS = 2 << 20;

    private final StateEngine engine;

    public RecordedOutcomes(StateEngine engine) {
        this.engine = engine;
    }

    /**
     * A query for the outcomes of a shard.
     *
     * @param from the earliest time of arrival, or null
     * @param to the latest time of arrival, exclusive, or null
     * @param verdict the verdict, or null for any
     * @param regime the regime, or null for any
     * @param limit the maximum number of outcomes, 1 to {@link #MAX_LIMIT}
     * @param cursor the place to continue after, or null to begin
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
     * A part of the result.
     *
     * @param lines JSON objects
     * @param cursor the place to continue after, or null at the end
     */
    public record Part(List<String> lines, @Nullable String cursor) {}

    /** Returns the shards that have outcomes, in byte order. */
    public Part shards(String prefix, @Nullable String cursor, int limit) {
        Page<String> page = engine.reads().agents(ServedState.RECORD, prefix, cursor, limit);
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
     * Returns outcomes of a shard, by epoch. A part may have fewer outcomes than the limit although more follow.
     *
     * @throws StateException INVALID if the cursor is invalid
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
            Page<KeyAt> page = engine.reads()
                    .keys(ServedState.RECORD, agentId, RecordedOutcome.KEY_PREFIX, cursor, new At.Now(), READ_AT_ONCE);
            List<StateKey> keys = page.entries().stream()
                    .map(entry -> new StateKey(ServedState.RECORD, agentId, entry.name()))
                    .toList();
            List<Found> found = engine.reads().get(keys, new At.Now()).found();
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
            cursor = page.next(); // a page of deleted keys has no entries
            if (cursor == null || ++lookedAt >= LOOKED_AT) {
                return new Part(lines, cursor);
            }
        }
    }

    private static JsonNode parsed(String json) {
        try {
            return JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("the record contains a value that is not JSON", e);
        }
    }

    /** Renders a line: the fields of the key, followed by the value. */
    private static String line(StateKey key, String json) {
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
