// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.outcomes.record.ChangedShards.Changed;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.ShardChange;
import dev.flk.backend.outcomes.record.ShardChange.Measure;
import dev.flk.backend.outcomes.record.ShardChange.State;
import dev.flk.backend.serve.page.ReviewGroups.WaitingShards;
import dev.flk.program.plot.Plot;
import dev.flk.verification.Verdict.Kind;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.DoubleSummaryStatistics;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A page of the shards of the record, at most {@link #MOST_ROWS}.
 *
 * @param wanted the condition that the shards meet
 * @param examined the number of names that were read for this page
 * @param next the query of the next page; null on the last page
 * @param isByNeed whether the shards with most that waits come first, and then those that are silent for longest, instead
 *     of all by name; then, {@code next} is the query for all by name
 * @param missing sentences that say what the record lacks
 */
public record ShardsView(
        Instant at,
        Filter wanted,
        List<Shard> shards,
        int examined,
        @Nullable String next,
        boolean isByNeed,
        List<String> missing) {
    /** The address of the shards whose shape changed. */
    public static final String CHANGED = "/ui/shards?change=changed";

    static final int MOST_ROWS = 50;

    private static final int NAMES_AT_ONCE = 1_000;
    /**
     * The maximum number of names that are read for a page. The work for a page is also limited by {@link
     * #MOST_NEWEST}, the maximum number of shards whose newest outcome is read.
     */
    private static final int MOST_NAMES = 50_000;

    private static final int MOST_NEWEST = 250;
    private static final int LINE_OUTCOMES = 20;

    /** A shard is silent if no outcome has arrived for this many of its usual intervals, and this many seconds. */
    private static final int SILENT_INTERVALS = 5;

    private static final int SILENT_SECONDS = 300;

    /**
     * The shards to show. Empty texts set no condition.
     *
     * @param prefix the beginning of the name
     * @param text a part of the name; the case of letters is ignored
     * @param verdict the verdict of the newest outcome
     * @param regime the regime of the newest outcome
     */
    public record Filter(String prefix, String text, String verdict, String regime) {
        private boolean isOfNewest() {
            return !verdict.isEmpty() || !regime.isEmpty();
        }

        /** Returns whether there is no condition but the beginning of the name. */
        public boolean isOfPrefix() {
            return text.isEmpty() && !isOfNewest();
        }

        /** Returns whether every shard is shown. */
        public boolean isAll() {
            return prefix.isEmpty() && isOfPrefix();
        }

        private boolean passes(Outcome newest) {
            return (verdict.isEmpty() || verdict.equals(newest.verdict()))
                    && (regime.isEmpty() || regime.equals(newest.regime()));
        }

        private Predicate<String> name() {
            String lower = text.toLowerCase(Locale.ROOT);
            return name -> name.toLowerCase(Locale.ROOT).contains(lower);
        }

        private String query(String cursor) {
            return "order=name&" + conditions() + "&cursor=" + OutcomeQuery.encoded(cursor);
        }

        private String conditions() {
            return "prefix=" + OutcomeQuery.encoded(prefix) + "&text=" + OutcomeQuery.encoded(text) + "&verdict="
                    + OutcomeQuery.encoded(verdict) + "&regime=" + OutcomeQuery.encoded(regime);
        }
    }

    /**
     * A shard with its newest outcome.
     *
     * @param doubted the newest outcome that was not accepted; null if all were accepted
     * @param waiting the number of certificates that wait for a review
     * @param change how its shape compares with its past
     * @param rate how often outcomes arrived lately, or for how long none has arrived
     * @param line the D̂ of its newest outcomes, as SVG
     */
    public record Shard(
            String name,
            Outcome newest,
            @Nullable Outcome doubted,
            int waiting,
            ShardChange change,
            String age,
            String rate,
            String line) {
        private static final String SILENT = "silent for ";

        /** Returns whether no outcome has arrived for much longer than usual. */
        public boolean isSilent() {
            return rate.startsWith(SILENT);
        }

        /** Reads a shard; empty if retention has just removed its last outcome. */
        private static Optional<Shard> read(RecordedOutcomes record, String name, WaitingShards waiting, Instant now) {
            List<Outcome> outcomes = ShardsView.newest(record, name, LINE_OUTCOMES);
            if (outcomes.isEmpty()) {
                return Optional.empty();
            }
            Outcome newest = outcomes.get(outcomes.size() - 1);
            double age = seconds(newest.receivedAt(), now);
            Outcome doubted = Stream.of(Kind.ESCALATED, Kind.REJECTED)
                    .flatMap(kind -> Outcome.read(
                            record,
                            OutcomeQuery.ALL.withShard(name).withVerdict(kind).withOrder(Order.NEWEST),
                            1)
                            .outcomes()
                            .stream())
                    .max(Comparator.comparing(Outcome::receivedAt))
                    .orElse(null);
            return Optional.of(new Shard(
                    name,
                    newest,
                    doubted,
                    waiting.counts().getOrDefault(name, 0),
                    record.changes().of(name),
                    Pages.duration(age),
                    rate(outcomes, age),
                    line(outcomes, Measure.D_HAT)));
        }

        /** Returns whether the shape of the newest outcome differs from the shape of the earlier ones. */
        public boolean isChanged() {
            return change.state() == State.CHANGED;
        }

        /** Returns what changed; if nothing did, the state of the comparison. */
        public String changeText() {
            return switch (change.state()) {
                case CHANGED -> "changed: " + changed(change);
                case USUAL -> "usual";
                case TOO_FEW -> "too few to compare";
                case NOT_LOOKED_AT -> "not looked at yet";
            };
        }

        private static double seconds(Instant from, Instant to) {
            return Math.max(0, Duration.between(from, to).toMillis() / 1e3);
        }

        private static String rate(List<Outcome> outcomes, double age) {
            double seconds = seconds(
                    outcomes.get(0).receivedAt(),
                    outcomes.get(outcomes.size() - 1).receivedAt());
            if (seconds == 0) {
                return "–";
            }
            double interval = seconds / (outcomes.size() - 1);
            if (age > Math.max(SILENT_SECONDS, SILENT_INTERVALS * interval)) {
                return SILENT + Pages.duration(age);
            }
            double perMinute = 60 / interval;
            return perMinute >= 1
                    ? String.format(Locale.ROOT, "%,.0f per minute", perMinute)
                    : perMinute * 60 >= 1
                            ? String.format(Locale.ROOT, "%,.0f per hour", perMinute * 60)
                            : String.format(Locale.ROOT, "%.1f per day", perMinute * 1_440);
        }

        private static String line(List<Outcome> outcomes, Measure measure) {
            List<Double> values =
                    outcomes.stream().map(each -> each.value(measure)).toList();
            DoubleSummaryStatistics finite = values.stream()
                    .mapToDouble(Double::doubleValue)
                    .filter(Double::isFinite)
                    .summaryStatistics();
            double low = finite.getCount() == 0 ? 0 : finite.getMin();
            double high = finite.getCount() == 0 ? 0 : finite.getMax();
            return Plot.sparkline(
                    values,
                    low,
                    high,
                    160,
                    30,
                    symbol(measure) + " of the newest outcomes, from " + Outcome.decimals(low) + " to "
                            + Outcome.decimals(high));
        }
    }

    /** Returns what changed, from what to what, in one line. */
    public static String changed(ShardChange change) {
        return String.format(
                Locale.ROOT,
                "%s\u00a0%.2f\u00a0→\u00a0%.2f",
                symbol(Objects.requireNonNull(change.measure())),
                change.from(),
                change.to());
    }

    private static String symbol(Measure measure) {
        return switch (measure) {
            case D_HAT -> "D̂";
            case COH_STAR -> "coh★";
            case R -> "r";
        };
    }

    /** Returns the values of what changed in a shard, of as many outcomes as were compared, as SVG. */
    public static String line(RecordedOutcomes record, Changed changed) {
        return Shard.line(
                newest(record, changed.shard(), 1 + ShardChange.MOST_BEFORE),
                Objects.requireNonNull(changed.change().measure()));
    }

    private static List<String> missing(RecordedOutcomes record) {
        List<String> sentences = new ArrayList<>();
        record.incompleteBefore()
                .ifPresent(time -> sentences.add("Outcomes before " + time + " may still be missing."));
        record.gaps().forEach(gap -> sentences.add("The record lacks " + gap + "."));
        return sentences;
    }

    /**
     * Reads the shards that need a person most: of those with certificates that wait, of those that changed, and of the
     * first names.
     *
     * @param wanted the beginning of the name; nothing else
     * @param isChanged whether only shards that changed are shown
     */
    public static ShardsView byNeed(
            RecordedOutcomes record, WaitingShards waiting, Filter wanted, boolean isChanged, Instant now) {
        RecordedOutcomes.Shards page = isChanged
                ? record.changedShards(wanted.prefix(), null, MOST_NEWEST)
                : record.shards(wanted.prefix(), null, MOST_NEWEST);
        Stream<String> first = isChanged
                ? Stream.empty()
                : Stream.concat(
                        waiting.counts().keySet().stream(),
                        record.changes().list(MOST_ROWS).stream().map(Changed::shard));
        List<Shard> shards = Stream.concat(first, page.names().stream())
                .filter(name -> name.startsWith(wanted.prefix()))
                .distinct()
                .limit(MOST_NEWEST)
                .flatMap(name -> Shard.read(record, name, waiting, now).stream())
                .sorted(Comparator.comparing((Shard shard) -> -shard.waiting())
                        .thenComparing(shard -> !shard.isChanged())
                        .thenComparing(
                                shard -> shard.isSilent() ? shard.newest().receivedAt() : Instant.MAX)
                        .thenComparing(Shard::name))
                .toList();
        boolean isAll = page.cursor() == null && shards.size() <= MOST_ROWS;
        return new ShardsView(
                now,
                wanted,
                shards.subList(0, Math.min(MOST_ROWS, shards.size())),
                page.names().size(),
                isAll ? null : "order=name&" + wanted.conditions(),
                true,
                missing(record));
    }

    /** Reads a page of the shards in the order of their names. */
    public static ShardsView read(
            RecordedOutcomes record, WaitingShards waiting, Filter wanted, @Nullable String cursor, Instant now) {
        List<Shard> shards = new ArrayList<>();
        int names = 0;
        int newest = 0;
        String at = cursor;
        do {
            // if the names and outcomes need not meet a condition, every name becomes a row, so only as many names as
            // rows are read
            int limit = wanted.isOfPrefix() ? MOST_ROWS - shards.size() : NAMES_AT_ONCE;
            RecordedOutcomes.Shards page = record.shards(wanted.prefix(), at, limit);
            Iterator<String> found = page.names().iterator();
            at = page.cursor();
            while (found.hasNext() && shards.size() < MOST_ROWS && newest < MOST_NEWEST) {
                String name = found.next();
                names++;
                if (wanted.name().test(name)) {
                    newest++;
                    if (!wanted.isOfNewest() || newest(record, name, 1).stream().anyMatch(wanted::passes)) {
                        Shard.read(record, name, waiting, now).ifPresent(shards::add);
                    }
                }
                at = found.hasNext() ? name : page.cursor();
            }
        } while (at != null && shards.size() < MOST_ROWS && newest < MOST_NEWEST && names < MOST_NAMES);
        return new ShardsView(now, wanted, shards, names, at == null ? null : wanted.query(at), false, missing(record));
    }

    /** Reads the newest outcomes of a shard, the oldest of them first. */
    private static List<Outcome> newest(RecordedOutcomes record, String shard, int most) {
        List<Outcome> outcomes = Outcome.read(
                        record, OutcomeQuery.ALL.withShard(shard).withOrder(Order.NEWEST), most)
                .outcomes();
        outcomes.sort(Comparator.comparing(Outcome::receivedAt)
                .thenComparing(each -> each.key().epoch()));
        return outcomes;
    }
}
