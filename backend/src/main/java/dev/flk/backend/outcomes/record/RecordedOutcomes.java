// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.canonical.CanonicalString;
import dev.flk.state.StateKey;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The queries of the record: its shards, the outcomes of a shard by epoch, and outcomes by time or id. Safe for any
 * thread; reads on the caller's thread.
 */
public final class RecordedOutcomes {
    /** The maximum number of lines in an answer. */
    public static final int MAX_LIMIT = 1_000;

    /** The maximum number of shards that a query names. */
    public static final int MAX_SHARDS = 64;

    /** The minimum number of hex digits in a query by id. */
    public static final int LEAST_ID_DIGITS = 8;

    private static final Pattern ID = Pattern.compile("[0-9a-f]{" + LEAST_ID_DIGITS + ",64}");
    /** Texts that JSON has as they are. */
    private static final Pattern UNQUOTED = Pattern.compile("[A-Za-z0-9_ ]*");

    private static final int MAX_GAPS = 10;
    private static final JsonMapper JSON = new JsonMapper();

    private final OutcomeRows rows;
    private final boolean coversAllBackends;
    private final Supplier<Optional<Instant>> incompleteBefore;
    private final BooleanSupplier isBehind;

    /**
     * @param coversAllBackends false if other backends with the same dedup store may have records of their own
     * @param incompleteBefore a supplier of the time before which outcomes may still be missing
     * @param isBehind returns whether outcomes from before the start may still be missing
     */
    public RecordedOutcomes(
            OutcomeRows rows,
            boolean coversAllBackends,
            Supplier<Optional<Instant>> incompleteBefore,
            BooleanSupplier isBehind) {
        this.rows = rows;
        this.coversAllBackends = coversAllBackends;
        this.incompleteBefore = incompleteBefore;
        this.isBehind = isBehind;
    }

    /**
     * Returns the time before which outcomes may still be missing, because they are being moved from the state or copied
     * from damaged files; empty if none are expected.
     */
    public Optional<Instant> incompleteBefore() {
        return incompleteBefore.get();
    }

    /** Returns whether an outcome that is not found may still be added, although it was decided before the start. */
    public boolean mayLack() {
        return isBehind.getAsBoolean() || incompleteBefore().isPresent();
    }

    /** Returns what is missing for good, a phrase for each gap, at most {@value #MAX_GAPS} of them. */
    public List<String> gaps() {
        return rows.notes(OutcomeRows.GAPS).values().stream().limit(MAX_GAPS).toList();
    }

    OutcomeRows rows() {
        return rows;
    }

    /** Returns whether the record has the outcomes of all backends with the same dedup store. */
    public boolean coversAllBackends() {
        return coversAllBackends;
    }

    /** A range of time: from {@code from}, inclusive, to {@code to}, exclusive. Null stands for no bound. */
    public record Span(@Nullable Instant from, @Nullable Instant to) {
        /** Returns whether the range has no bounds. */
        public boolean isOpen() {
            return from == null && to == null;
        }

        private boolean contains(Instant time) {
            return (from == null || !time.isBefore(from)) && (to == null || time.isBefore(to));
        }
    }

    /** The order of an answer. */
    public enum Order {
        /**
         * The order of epochs; the conditions of the query except the shard are ignored. For a query that does not name
         * exactly one shard, the order is {@link #OLDEST} instead.
         */
        EPOCH,
        OLDEST,
        NEWEST
    }

    /**
     * A query. A null member sets no condition.
     *
     * @param shards the shards to select from, at most {@link #MAX_SHARDS}; empty for all
     * @param reason the {@linkplain RecordedOutcome#reasonKind kind} of the reason
     * @param received the time of arrival
     * @param measured the time of the last measurement; if it has a bound, the answer is in the order of this time
     * @param limit the maximum number of outcomes, 1 to {@link #MAX_LIMIT}
     * @param cursor the {@code cursor} of the previous part; null for the first part
     */
    public record Wanted(
            Set<String> shards,
            @Nullable String key,
            @Nullable String verdict,
            @Nullable String regime,
            @Nullable String reason,
            Span received,
            Span measured,
            Order order,
            int limit,
            @Nullable String cursor) {
        public Wanted {
            if (shards.size() > MAX_SHARDS) {
                throw new IllegalArgumentException("a query names at most " + MAX_SHARDS + " shards");
            }
        }

        /** A query for the outcomes of one shard. */
        public Wanted(
                String shard,
                @Nullable String key,
                @Nullable String verdict,
                @Nullable String regime,
                @Nullable String reason,
                Span received,
                Span measured,
                Order order,
                int limit,
                @Nullable String cursor) {
            this(Set.of(shard), key, verdict, regime, reason, received, measured, order, limit, cursor);
        }

        /** Returns the shard if the answer is in the order of its epochs; null if the answer is in the order of time. */
        public @Nullable String shardByEpoch() {
            return order == Order.EPOCH && shards.size() == 1
                    ? shards.iterator().next()
                    : null;
        }

        /** Returns whether the query selects every outcome. */
        boolean selectsAll() {
            return shards.isEmpty()
                    && key == null
                    && verdict == null
                    && regime == null
                    && reason == null
                    && received.isOpen()
                    && measured.isOpen();
        }

        /** Returns whether the query selects an outcome. */
        public boolean passes(RowKey row, String json) {
            if (!mayHaveReason(json)) {
                return false; // parsing most of the values that are examined would take most of the time
            }
            JsonNode outcome = parsed(json);
            return (shards.isEmpty() || shards.contains(row.shard()))
                    && received.contains(
                            Instant.parse(outcome.path("received_at").asText()))
                    && (measured.isOpen()
                            || (outcome.has("window_end")
                                    && measured.contains(Instant.parse(
                                            outcome.path("window_end").asText()))))
                    && (key == null || key.equals(outcome.path("key_id").asText()))
                    && (verdict == null
                            || verdict.equals(outcome.path("verdict").asText()))
                    && (regime == null || regime.equals(outcome.path("regime").asText()))
                    && (reason == null
                            || reason.equals(RecordedOutcome.reasonKind(
                                    outcome.path("reason").asText())));
        }

        private boolean mayHaveReason(String json) {
            return reason == null || !UNQUOTED.matcher(reason).matches() || json.contains("\"reason\":\"" + reason);
        }

        /** Returns the range of the time by which the answer is ordered. */
        public Span span() {
            return measured.isOpen() ? received : measured;
        }

        /** Returns whether the entries of an index by time suffice to select outcomes, without their values. */
        public boolean isIndexed() {
            return (shards.isEmpty() || key == null) && (measured.isOpen() || received.isOpen()) && reason == null;
        }

        /** Returns the {@linkplain RowMembers#kind kinds} of the outcomes that the query may select. */
        public List<Integer> kinds() {
            return RowMembers.kinds(verdict, regime).stream()
                    .filter(kind -> reason == null || RowMembers.mayHaveReason(kind))
                    .toList();
        }
    }

    /**
     * A part of the result.
     *
     * @param lines JSON objects, one for each shard or outcome
     * @param cursor the place after which the next part begins; null if nothing follows
     * @param first the place of the first line, from which the opposite order leads back; null if the part is empty or
     *     not in the order of time
     */
    public record Part(
            List<String> lines,
            @Nullable String cursor,
            @Nullable String first) {
        public Part(List<String> lines, @Nullable String cursor) {
            this(lines, cursor, null);
        }
    }

    /**
     * Returns a part of the shards that have outcomes and begin with {@code prefix}, in the order of their bytes.
     *
     * @param cursor the shard after which the part begins; null for the first part
     */
    public Part shards(String prefix, @Nullable String cursor, int limit) {
        List<String> shards = rows.shards(prefix, cursor, limit + 1);
        boolean isCut = shards.size() > limit;
        List<String> part = isCut ? shards.subList(0, limit) : shards;
        List<String> lines = part.stream()
                .map(shard -> JSON.createObjectNode().put("shard_id", shard).toString())
                .toList();
        return new Part(lines, isCut ? part.get(limit - 1) : null);
    }

    /**
     * Returns the key of an outcome in a namespace of the state whose keys refer to outcomes. The agent id is the shard,
     * or a hash of a shard that can't be an agent id.
     */
    public static StateKey key(String namespace, String shard, long epoch, String pcsId) {
        return new StateKey(namespace, RecordedOutcome.agentId(shard), RecordedOutcome.keyName(epoch, pcsId));
    }

    /** Returns whether the record has an outcome of a shard. */
    public boolean hasShard(String shard) {
        return rows.shards(shard, null, 1).contains(shard);
    }

    /**
     * Returns the next part of the outcomes that a query selects. A part may have fewer outcomes than the limit
     * although more follow.
     *
     * @throws IllegalArgumentException if the cursor is invalid; the message is a sentence
     */
    public Part outcomes(Wanted wanted) {
        OutcomeRows.Rows found = rows.find(wanted);
        return new Part(found.rows().stream().map(RecordedOutcomes::line).toList(), found.cursor(), found.first());
    }

    /** Counts the outcomes that a query selects, see {@link OutcomeRows#count}. */
    public OutcomeRows.Counts count(Wanted wanted, long[] bounds, int most) {
        return rows.count(wanted, bounds, most);
    }

    /** Returns whether a text is an id of a certificate, or the beginning of an id that is long enough for a query. */
    public static boolean isId(String text) {
        return ID.matcher(text).matches();
    }

    /**
     * Counts the outcomes of certificates that arrived in each minute, for each verdict. The work is proportional to the
     * number of outcomes.
     *
     * @param firstMinute the first minute, in minutes since the epoch
     * @param minutes the number of minutes
     */
    public Map<String, long[]> countReceived(long firstMinute, int minutes) {
        return rows.countReceived(firstMinute, minutes);
    }

    /**
     * Returns the outcomes whose {@code pcs_id} begins with {@code prefix}, in the order of ids, one JSON object each.
     *
     * @param prefix {@link #LEAST_ID_DIGITS} to 64 lower-case hex digits
     * @param limit the maximum number of outcomes
     */
    public List<String> withId(String prefix, int limit) {
        return rows.withId(prefix, limit).stream().map(RecordedOutcomes::line).toList();
    }

    /**
     * Returns the outcomes that a query selects and whose {@code pcs_id} begins with {@code prefix}, in the order of the
     * query, which is one by time. Only the limit of the query is examined; if there may be more, the part has a cursor,
     * which leads nowhere.
     */
    public Part withId(String prefix, Wanted wanted) {
        boolean isMeasured = !wanted.measured().isOpen();
        Comparator<Version> oldestFirst = Comparator.comparing(version -> Instant.parse(parsed(version.json())
                .path(isMeasured ? "window_end" : "received_at")
                .asText()));
        List<Version> found = rows.withId(prefix, wanted.limit() + 1);
        List<String> lines = found.stream()
                .limit(wanted.limit())
                .filter(version -> wanted.passes(version.key(), version.json()))
                .sorted(wanted.order() == Order.NEWEST ? oldestFirst.reversed() : oldestFirst)
                .map(RecordedOutcomes::line)
                .toList();
        return new Part(lines, found.size() > wanted.limit() ? prefix : null);
    }

    /** Returns the ids that begin with {@code prefix}, see {@link #withId}. */
    public List<String> idsThatBeginWith(String prefix, int limit) {
        return rows.withId(prefix, limit).stream()
                .map(version -> version.key().pcsId())
                .distinct()
                .toList();
    }

    /** Returns the outcome that a {@link #key} refers to. */
    Optional<Version> withKey(StateKey key) {
        String pcsId = key.name().substring(key.name().lastIndexOf('/') + 1);
        return rows.withId(pcsId, MAX_LIMIT).stream()
                .filter(version -> key.equals(key(
                        key.namespace(),
                        version.key().shard(),
                        version.key().epoch(),
                        version.key().pcsId())))
                .findFirst();
    }

    static JsonNode parsed(String json) {
        try {
            return JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("the record contains a value that is not JSON", e);
        }
    }

    /** Renders a version as a line: the members of the key, followed by those of the value. */
    public static String line(Version version) {
        RowKey key = version.key();
        StringBuilder line = new StringBuilder("{\"shard_id\":");
        CanonicalString.appendQuoted(line, key.shard());
        return line.append(",\"epoch\":")
                .append(key.epoch())
                .append(",\"pcs_id\":\"")
                .append(key.pcsId())
                .append("\",")
                .append(version.json(), 1, version.json().length())
                .toString();
    }
}
