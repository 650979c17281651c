// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.flk.backend.outcomes.record.IndexEntry.Clock;
import dev.flk.backend.outcomes.record.IndexEntry.Scope;
import dev.flk.backend.outcomes.record.IndexSearch.Entries;
import dev.flk.backend.outcomes.record.IndexSearch.Range;
import dev.flk.backend.outcomes.record.IndexSearch.Selection;
import dev.flk.canonical.CanonicalString;
import dev.flk.state.History.At;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.StateReads.Found;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Page;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The queries of the record: its shards, the outcomes of a shard by epoch, and outcomes by time or id. To find outcomes
 * by time or id, the queries use {@link RecordIndex}. Safe for any thread; reads on the caller's thread.
 */
public final class RecordedOutcomes {
    /** The namespace of the recorded outcomes. */
    public static final String NAMESPACE = "flk.record";

    /** The maximum number of lines in an answer. */
    public static final int MAX_LIMIT = 1_000;

    /** The minimum number of hex digits in a query by id. */
    public static final int LEAST_ID_DIGITS = 8;

    private static final JsonMapper JSON = new JsonMapper();
    /**
     * The limit on the work for one answer. An answer in order of time examines at most this many index entries; an
     * answer in order of epochs reads at most this many pages of keys.
     */
    private static final int LOOKED_AT = 10_000;

    private static final int READ_AT_ONCE = 10;
    private static final long MAX_CHARS = 2 << 20;

    private final StateEngine engine;
    private final RecordIndex index;
    private final boolean coversAllBackends;

    /** @param coversAllBackends false if other backends with the same dedup store may have records of their own */
    public RecordedOutcomes(StateEngine engine, RecordIndex index, boolean coversAllBackends) {
        this.engine = engine;
        this.index = index;
        this.coversAllBackends = coversAllBackends;
    }

    /** Returns whether the record has the outcomes of all backends with the same dedup store. */
    public boolean coversAllBackends() {
        return coversAllBackends;
    }

    /** A range of time: from {@code from}, inclusive, to {@code to}, exclusive. Null stands for no bound. */
    public record Span(@Nullable Instant from, @Nullable Instant to) {
        private boolean isOpen() {
            return from == null && to == null;
        }

        private boolean contains(Instant time) {
            return (from == null || !time.isBefore(from)) && (to == null || time.isBefore(to));
        }
    }

    /** The order of an answer. */
    public enum Order {
        /**
         * The order of epochs; the conditions of the query except the shard are ignored. For a query without a shard,
         * the order is {@link #OLDEST} instead.
         */
        EPOCH,
        OLDEST,
        NEWEST
    }

    /**
     * A query. A null member sets no condition.
     *
     * @param received the time of arrival
     * @param measured the time of the last measurement; if it has a bound, the answer is in the order of this time
     * @param limit the maximum number of outcomes, 1 to {@link #MAX_LIMIT}
     * @param cursor the {@code cursor} of the previous part; null for the first part
     */
    public record Wanted(
            @Nullable String shard,
            @Nullable String key,
            @Nullable String verdict,
            @Nullable String regime,
            Span received,
            Span measured,
            Order order,
            int limit,
            @Nullable String cursor) {
        private boolean passes(JsonNode outcome) {
            return received.contains(Instant.parse(outcome.path("received_at").asText()))
                    && (measured.isOpen()
                            || measured.contains(
                                    Instant.parse(outcome.path("window_end").asText())))
                    && (key == null || key.equals(outcome.path("key_id").asText()))
                    && (verdict == null
                            || verdict.equals(outcome.path("verdict").asText()))
                    && (regime == null || regime.equals(outcome.path("regime").asText()));
        }
    }

    /**
     * A part of the result.
     *
     * @param lines JSON objects, one for each shard or outcome
     * @param cursor the place after which the next part begins; null if nothing follows
     */
    public record Part(List<String> lines, @Nullable String cursor) {}

    /**
     * Returns a part of the shards that have outcomes, in the byte order of their agent ids. Selects only shards whose
     * agent id begins with {@code prefix}.
     */
    public Part shards(String prefix, @Nullable String cursor, int limit) {
        Page<String> page = engine.reads().agents(NAMESPACE, prefix, cursor, limit);
        List<String> lines = new ArrayList<>();
        for (String agentId : page.entries()) {
            ObjectNode line = JSON.createObjectNode();
            lines.add(line.put("shard_id", shardOf(agentId)).toString());
        }
        return new Part(lines, page.next());
    }

    /**
     * Returns the shard that is recorded under an agent id. If the agent id is a hash and the record has no outcome of
     * the shard, returns the agent id itself.
     */
    public String shardOf(String agentId) {
        if (!RecordedOutcome.isHashed(agentId)) {
            return agentId;
        }
        Part one = byEpoch(agentId, 1, null);
        return one.lines().isEmpty()
                ? agentId
                : parsed(one.lines().get(0)).path("shard_id").asText();
    }

    /**
     * Returns the key of an outcome, in the namespace of the record or in another namespace whose keys refer to
     * outcomes.
     */
    public static StateKey key(String namespace, String shard, long epoch, String pcsId) {
        return new StateKey(namespace, RecordedOutcome.agentId(shard), RecordedOutcome.keyName(epoch, pcsId));
    }

    /** Returns the cursor with which {@link #shards} begins after a shard. */
    public static String afterShard(String shard) {
        return RecordedOutcome.agentId(shard);
    }

    /** Returns whether the record has an outcome of a shard. */
    public boolean hasShard(String shard) {
        return !engine.reads()
                .keys(NAMESPACE, RecordedOutcome.agentId(shard), RecordedOutcome.KEY_PREFIX, null, new At.Now(), 1)
                .entries()
                .isEmpty();
    }

    /**
     * Returns the next part of the outcomes that a query selects. A part may have fewer outcomes than the limit
     * although more follow.
     *
     * @throws StateException INVALID if the cursor is invalid; STARTING if the index is not complete
     */
    public Part outcomes(Wanted wanted) {
        String agentId = wanted.shard() == null ? null : RecordedOutcome.agentId(wanted.shard());
        return agentId != null && wanted.order() == Order.EPOCH
                ? byEpoch(agentId, wanted.limit(), wanted.cursor())
                : byTime(agentId, wanted);
    }

    private Part byEpoch(String agentId, int limit, @Nullable String after) {
        List<String> lines = new ArrayList<>();
        String cursor = after;
        long chars = 0;
        int lookedAt = 0;
        while (true) {
            Page<KeyAt> page = engine.reads()
                    .keys(NAMESPACE, agentId, RecordedOutcome.KEY_PREFIX, cursor, new At.Now(), READ_AT_ONCE);
            List<StateKey> keys = page.entries().stream()
                    .map(entry -> new StateKey(NAMESPACE, agentId, entry.name()))
                    .toList();
            List<Optional<String>> values = values(keys);
            for (int i = 0; i < keys.size(); i++) {
                cursor = keys.get(i).name();
                if (values.get(i).isPresent()) {
                    lines.add(line(keys.get(i), values.get(i).get()));
                    chars += values.get(i).get().length();
                }
                if (lines.size() >= limit || chars >= MAX_CHARS) {
                    boolean isLast = i == keys.size() - 1 && page.next() == null;
                    return new Part(lines, isLast ? null : cursor);
                }
            }
            cursor = page.next(); // a page has no entries if all of its keys were deleted, so reading continues
            if (cursor == null || ++lookedAt >= LOOKED_AT) {
                return new Part(lines, cursor);
            }
        }
    }

    /** Returns the current value of each key; empty for a key that does not exist. */
    private List<Optional<String>> values(List<StateKey> keys) {
        return engine.reads().get(keys, new At.Now()).found().stream()
                .map(found -> found instanceof Found.Present present
                        ? Optional.ofNullable(present.version().json())
                        : Optional.<String>empty())
                .toList();
    }

    private Part byTime(@Nullable String agentId, Wanted wanted) {
        Clock clock = wanted.measured().isOpen() ? Clock.RECEIVED : Clock.MEASURED;
        String key = wanted.key();
        Selection selection = new Selection(
                agentId != null ? Scope.SHARD : key != null ? Scope.KEY : Scope.ALL,
                clock,
                agentId != null ? agentId : key != null ? key : "",
                Optional.ofNullable(wanted.verdict()),
                Optional.ofNullable(wanted.regime()));
        Span span = clock == Clock.RECEIVED ? wanted.received() : wanted.measured();
        long keyHash = key == null ? 0 : IndexEntry.hash(key);
        long receivedFrom = millis(wanted.received().from(), Long.MIN_VALUE, 0);
        long receivedTo = millis(wanted.received().to(), Long.MAX_VALUE, 1);
        Predicate<IndexEntry> mayBe = entry -> (key == null || entry.keyHash() == keyHash)
                && entry.receivedMillis() >= receivedFrom
                && entry.receivedMillis() < receivedTo;
        byte[] place = place(wanted.cursor());
        List<String> lines = new ArrayList<>();
        long chars = 0;
        int left = LOOKED_AT;
        while (true) {
            Range range = new Range(
                    millis(span.from(), Long.MIN_VALUE, 0),
                    millis(span.to(), Long.MAX_VALUE, 1), // rounded up to a millisecond; passes() is exact
                    wanted.order() == Order.NEWEST,
                    place);
            Entries part =
                    index.find(selection, range, Math.min(READ_AT_ONCE, wanted.limit() - lines.size()), left, mayBe);
            left -= part.examined();
            List<IndexEntry> entries = part.entries();
            List<Optional<String>> values =
                    values(entries.stream().map(IndexEntry::key).toList());
            for (int i = 0; i < entries.size(); i++) {
                IndexEntry entry = entries.get(i);
                Optional<String> json =
                        values.get(i).filter(value -> isOf(entry, value) && wanted.passes(parsed(value)));
                if (json.isPresent()) {
                    lines.add(line(entry.key(), json.get()));
                    chars += json.get().length();
                }
                place = IndexEntry.place(entry.millis(clock), entry.pcsId());
                if (chars >= MAX_CHARS) {
                    return new Part(lines, HexFormat.of().formatHex(place));
                }
            }
            place = part.next();
            if (place == null || lines.size() >= wanted.limit() || left <= 0) {
                return new Part(lines, place == null ? null : HexFormat.of().formatHex(place));
            }
        }
    }

    /** Returns whether an entry of the index matches the value that the record has now. */
    private static boolean isOf(IndexEntry entry, String json) {
        return IndexEntry.of(entry.key(), json).equals(Optional.of(entry));
    }

    private static long millis(@Nullable Instant time, long open, long more) {
        if (time == null) {
            return open;
        }
        try {
            return time.toEpochMilli() + more;
        } catch (ArithmeticException e) {
            return time.isBefore(Instant.EPOCH) ? Long.MIN_VALUE : Long.MAX_VALUE;
        }
    }

    private static byte @Nullable [] place(@Nullable String cursor) {
        if (cursor == null) {
            return null;
        }
        if (!cursor.matches("[0-9a-f]{" + 2 * (Long.BYTES + IndexEntry.ID_BYTES) + "}")) {
            throw Reason.INVALID.because("cursor belongs to another query");
        }
        return HexFormat.of().parseHex(cursor);
    }

    /**
     * Returns the outcomes whose {@code pcs_id} begins with {@code prefix}, in the order of ids, one JSON object each.
     *
     * @param prefix {@link #LEAST_ID_DIGITS} to 64 lower-case hex digits
     * @param limit the maximum number of index entries that are read
     * @throws StateException STARTING if the index is not complete
     */
    public List<String> withId(String prefix, int limit) {
        List<IndexEntry> entries = index.withId(prefix, limit);
        List<StateKey> keys = entries.stream().map(IndexEntry::key).toList();
        List<Optional<String>> values = values(keys);
        return IntStream.range(0, keys.size())
                .filter(i -> values.get(i).isPresent())
                .mapToObj(i -> line(keys.get(i), values.get(i).get()))
                .toList();
    }

    /**
     * Returns the ids in the index that begin with {@code prefix}. The outcomes of some of these ids may have been
     * removed. See {@link #withId}.
     */
    public List<String> idsThatBeginWith(String prefix, int limit) {
        return index.withId(prefix, limit).stream().map(IndexEntry::pcsId).toList();
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
