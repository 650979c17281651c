// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Recomputed;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A query. A null member sets no condition.
 *
 * @param shards the shards to select from, at most {@link #MAX_SHARDS}; empty for all
 * @param reason the {@linkplain RecordedOutcome#cause words} of the reason before its numbers
 * @param waits whether only outcomes that wait for a review are selected
 * @param received the time of arrival
 * @param measured the time of the last measurement; if it has a bound, the answer is in the order of this time
 * @param limit the maximum number of outcomes, 1 to {@link RecordedOutcomes#MAX_LIMIT}
 * @param cursor the {@code cursor} of the previous part; null for the first part
 */
public record OutcomeQuery(
        Set<String> shards,
        @Nullable String key,
        @Nullable Kind verdict,
        @Nullable Regime regime,
        @Nullable String reason,
        boolean waits,
        Span received,
        Span measured,
        Order order,
        int limit,
        @Nullable String cursor) {
    /** The maximum number of shards that a query names. */
    public static final int MAX_SHARDS = 64;

    /** A range of time: from {@code from}, inclusive, to {@code to}, exclusive. Null stands for no bound. */
    public record Span(@Nullable Instant from, @Nullable Instant to) {
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

    /** A query for the outcomes of one shard. */
    public OutcomeQuery(
            String shard,
            @Nullable String key,
            @Nullable Kind verdict,
            @Nullable Regime regime,
            @Nullable String reason,
            Span received,
            Span measured,
            Order order,
            int limit,
            @Nullable String cursor) {
        this(Set.of(shard), key, verdict, regime, reason, false, received, measured, order, limit, cursor);
    }

    /** A query for outcomes whether they wait for a review or not. */
    public OutcomeQuery(
            Set<String> shards,
            @Nullable String key,
            @Nullable Kind verdict,
            @Nullable Regime regime,
            @Nullable String reason,
            Span received,
            Span measured,
            Order order,
            int limit,
            @Nullable String cursor) {
        this(shards, key, verdict, regime, reason, false, received, measured, order, limit, cursor);
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
                && (reason == null || reason.equals(outcome.cause()));
    }

    /** Returns the range of the time by which the answer is ordered. */
    public Span span() {
        return measured.isOpen() ? received : measured;
    }

    /** Returns whether the entries of an index by time suffice to select outcomes, without their values. */
    public boolean isIndexed() {
        return (key == null || (shards.isEmpty() && measured.isOpen()))
                && (measured.isOpen() || received.isOpen())
                && reason == null;
    }

    /** Returns the {@linkplain RowKind kinds} of the outcomes that the query may select. */
    public List<Integer> kinds() {
        return RowKind.all(verdict, regime).stream()
                .filter(kind -> reason == null || RowKind.verdict(kind) != Kind.ACCEPTED)
                .filter(kind -> !waits || RowKind.waits(kind))
                .toList();
    }
}
