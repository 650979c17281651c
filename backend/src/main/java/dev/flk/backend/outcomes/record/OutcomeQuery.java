// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Recomputed;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A query. A null member sets no condition.
 *
 * <p>The query of a URL, a form and the options of a command are maps of names to texts, which {@link #parse} reads and
 * {@link #address} writes:
 *
 * <pre>
 * shard, key, reason, verdict, regime    the text to select
 * id                                     the beginning of the id, at least {@link RecordedOutcomes#LEAST_ID_DIGITS} digits
 * from, to                               the bounds of the arrival; of the last measurement if clock is {@code measured}
 * clock                                  {@code received} or {@code measured}
 * measured_from, measured_to             the bounds of the last measurement
 * order                                  {@code newest} or {@code oldest}
 * </pre>
 *
 * @param shards the shards to select from, at most {@link #MAX_SHARDS}; empty for all
 * @param reason the {@linkplain RecordedOutcome#cause words} of the reason before its numbers
 * @param id the beginning of the id, for {@link RecordedOutcomes#outcomes}; {@link OutcomeRows} ignore it
 * @param received the time of arrival
 * @param measured the time of the last measurement; if it has a bound, the answer is in the order of this time
 * @param waits whether only outcomes that wait for a review are selected
 * @param limit the maximum number of outcomes, 1 to {@link RecordedOutcomes#MAX_LIMIT}
 * @param cursor the {@code cursor} of the previous part; null for the first part
 */
public record OutcomeQuery(
        Set<String> shards,
        @Nullable String key,
        @Nullable Kind verdict,
        @Nullable Regime regime,
        @Nullable String reason,
        @Nullable String id,
        Span received,
        Span measured,
        boolean waits,
        Order order,
        int limit,
        @Nullable String cursor) {
    /** The maximum number of shards that a query names. */
    public static final int MAX_SHARDS = 64;

    /** The query for all outcomes, the oldest first. */
    public static final OutcomeQuery ALL = new OutcomeQuery(
            Set.of(),
            null,
            null,
            null,
            null,
            null,
            Span.ALWAYS,
            Span.ALWAYS,
            false,
            Order.OLDEST,
            RecordedOutcomes.MAX_LIMIT,
            null);

    /** A value that can't be a condition; the message names the value and says why, without a full stop. */
    public static final class InvalidQueryException extends RuntimeException {
        private static final long serialVersionUID = 1;

        public InvalidQueryException(String message) {
            super(message, null, false, false);
        }
    }

    /** A range of time: from {@code from}, inclusive, to {@code to}, exclusive. Null stands for no bound. */
    public record Span(@Nullable Instant from, @Nullable Instant to) {
        /** The range without bounds. */
        public static final Span ALWAYS = new Span(null, null);

        /** Returns whether the range has no bounds. */
        public boolean isOpen() {
            return from == null && to == null;
        }

        private boolean contains(@Nullable Instant time) {
            return isOpen() || (time != null && isWithin(time));
        }

        private boolean isWithin(Instant time) {
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

    public OutcomeQuery {
        if (shards.size() > MAX_SHARDS) {
            throw new IllegalArgumentException("a query names at most " + MAX_SHARDS + " shards");
        }
    }

    /**
     * Returns the query with these members; others are ignored. A query for a shard that names nothing else is in the
     * order of epochs.
     *
     * @throws InvalidQueryException if a value is invalid
     */
    public static OutcomeQuery parse(Map<String, String> members) {
        String shard = members.get("shard");
        String id = members.get("id");
        if (id != null && !RecordedOutcomes.isId(id)) {
            throw new InvalidQueryException(
                    "id is not " + RecordedOutcomes.LEAST_ID_DIGITS + " to 64 lower-case hex digits");
        }
        boolean isMeasured =
                "measured".equals(oneOf(members, "clock", Stream.of("measured", "received"), Function.identity()));
        Span span = span(members, "from", "to");
        // a bound, so that the measurement is the time by which outcomes are selected
        Span measured = span.isOpen() ? new Span(Instant.MIN, null) : span;
        Order order = oneOf(
                members,
                "order",
                Stream.of(Order.NEWEST, Order.OLDEST),
                each -> each.name().toLowerCase(Locale.ROOT));
        Order usual = Set.of("shard", "limit", "cursor").containsAll(members.keySet()) ? Order.EPOCH : Order.OLDEST;
        return new OutcomeQuery(
                shard == null ? Set.of() : Set.of(shard),
                members.get("key"),
                oneOf(members, "verdict", Stream.of(Kind.values()), Kind::label),
                oneOf(members, "regime", Stream.of(Regime.values()), Regime::wireName),
                members.get("reason"),
                id,
                isMeasured ? Span.ALWAYS : span,
                isMeasured ? measured : span(members, "measured_from", "measured_to"),
                false,
                order == null ? usual : order,
                RecordedOutcomes.MAX_LIMIT,
                null);
    }

    private static <T> @Nullable T oneOf(
            Map<String, String> members, String name, Stream<T> values, Function<T, String> text) {
        String value = members.get(name);
        Map<String, T> byText = values.collect(Collectors.toMap(text, Function.identity()));
        if (value != null && !byText.containsKey(value)) {
            throw new InvalidQueryException(
                    name + " is not one of " + byText.keySet().stream().sorted().collect(Collectors.joining(", ")));
        }
        return byText.get(value);
    }

    private static Span span(Map<String, String> members, String from, String to) {
        return new Span(time(members, from), time(members, to));
    }

    /**
     * Returns the time that a member names; null if the member does not exist.
     *
     * @throws InvalidQueryException if the value is not a time
     */
    public static @Nullable Instant time(Map<String, String> members, String name) {
        String text = members.get(name);
        try {
            return text == null ? null : Instant.parse(text);
        } catch (DateTimeException e) {
            throw new InvalidQueryException(name + " is not a time; write it like 2026-01-31T12:00:00Z");
        }
    }

    /** Returns a URL with members as its query, in the order of the map. */
    public static String address(String path, Map<String, String> members) {
        return members.isEmpty()
                ? path
                : members.entrySet().stream()
                        .map(each -> each.getKey() + "=" + encoded(each.getValue()))
                        .collect(Collectors.joining("&", path + "?", ""));
    }

    /** Encodes text for a query or a path. */
    public static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    public OutcomeQuery withShard(String shard) {
        return withShards(Set.of(shard));
    }

    public OutcomeQuery withShards(Set<String> shards) {
        return new OutcomeQuery(
                shards, key, verdict, regime, reason, id, received, measured, waits, order, limit, cursor);
    }

    public OutcomeQuery withKey(@Nullable String key) {
        return new OutcomeQuery(
                shards, key, verdict, regime, reason, id, received, measured, waits, order, limit, cursor);
    }

    public OutcomeQuery withVerdict(@Nullable Kind verdict) {
        return new OutcomeQuery(
                shards, key, verdict, regime, reason, id, received, measured, waits, order, limit, cursor);
    }

    public OutcomeQuery withReason(@Nullable String reason) {
        return new OutcomeQuery(
                shards, key, verdict, regime, reason, id, received, measured, waits, order, limit, cursor);
    }

    public OutcomeQuery withReceived(Span received) {
        return new OutcomeQuery(
                shards, key, verdict, regime, reason, id, received, measured, waits, order, limit, cursor);
    }

    public OutcomeQuery withMeasured(Span measured) {
        return new OutcomeQuery(
                shards, key, verdict, regime, reason, id, received, measured, waits, order, limit, cursor);
    }

    public OutcomeQuery withWaits(boolean waits) {
        return new OutcomeQuery(
                shards, key, verdict, regime, reason, id, received, measured, waits, order, limit, cursor);
    }

    public OutcomeQuery withOrder(Order order) {
        return new OutcomeQuery(
                shards, key, verdict, regime, reason, id, received, measured, waits, order, limit, cursor);
    }

    public OutcomeQuery withLimit(int limit) {
        return new OutcomeQuery(
                shards, key, verdict, regime, reason, id, received, measured, waits, order, limit, cursor);
    }

    public OutcomeQuery withCursor(@Nullable String cursor) {
        return new OutcomeQuery(
                shards, key, verdict, regime, reason, id, received, measured, waits, order, limit, cursor);
    }

    /** Returns the shard if the answer is in the order of its epochs; null if the answer is in the order of time. */
    public @Nullable String shardByEpoch() {
        return order == Order.EPOCH && shards.size() == 1 ? shards.iterator().next() : null;
    }

    /** Returns whether the query selects every outcome. */
    boolean selectsAll() {
        return shards.isEmpty()
                && key == null
                && verdict == null
                && regime == null
                && reason == null
                && id == null
                && !waits
                && received.isOpen()
                && measured.isOpen();
    }

    /** Returns whether the query selects an outcome. */
    public boolean passes(Version version) {
        RecordedOutcome outcome = version.outcome();
        Recomputed recomputed = outcome.verdict().recomputed();
        return (shards.isEmpty() || shards.contains(version.key().shard()))
                && received.contains(outcome.receivedAt())
                && measured.contains(outcome.measuredAt())
                && (key == null || key.equals(outcome.keyId()))
                && (verdict == null || verdict == outcome.verdict().kind())
                && (regime == null || (recomputed != null && regime == recomputed.regime()))
                && (reason == null || reason.equals(outcome.cause()))
                && (id == null || version.key().pcsId().startsWith(id));
    }

    /** Returns the range of the time by which the answer is ordered. */
    public Span span() {
        return measured.isOpen() ? received : measured;
    }

    /** Returns the time by which the answer is ordered, of an outcome that the query selects. */
    public Instant time(RecordedOutcome outcome) {
        return measured.isOpen() ? outcome.receivedAt() : Objects.requireNonNull(outcome.measuredAt());
    }

    /** Returns a query that selects at least the same outcomes, by conditions that many outcomes share. */
    public OutcomeQuery wider() {
        return withReason(null).withKey(shards.isEmpty() && measured.isOpen() ? key : null);
    }
}
