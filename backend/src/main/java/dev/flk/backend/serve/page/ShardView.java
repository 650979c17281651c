// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict.Kind;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The view of the outcomes of a shard in a range of time, or of the newest ones.
 *
 * @param rows the outcomes in the table, the newest first, at most {@link #PAGE_ROWS}
 * @param hasOlder whether the next page of the table has outcomes
 * @param drawn the number of outcomes in the plots
 * @param isCut whether the range has older outcomes, which are not drawn
 * @param plots the plots as SVG; empty without outcomes
 * @param range the range of time of the plots; null if there are no outcomes and not both bounds of the range are given
 */
public record ShardView(
        Instant at,
        Wish wanted,
        List<Outcome> rows,
        boolean hasOlder,
        int drawn,
        boolean isCut,
        List<Drawn> plots,
        @Nullable Range range) {
    /** The maximum number of outcomes in the table of a view. */
    public static final int MOST_ROWS = 100;

    /** The maximum number of outcomes on a page of the table of a shard. */
    public static final int PAGE_ROWS = 100;

    /** The number of pages of the table; the view Explore shows all outcomes. */
    public static final int MOST_PAGES = 50;

    private static final int MOST_DRAWN = 400;
    private static final int MOST_READS = 4;

    /** The time by which a range selects outcomes. */
    public enum Clock {
        /** The time of arrival. */
        RECEIVED,
        /** The time of the last measurement. */
        MEASURED;

        Instant of(Outcome outcome) {
            return this == RECEIVED ? outcome.receivedAt() : Objects.requireNonNull(outcome.measuredAt());
        }

        /** Returns the words before a range. */
        public String text() {
            return this == RECEIVED ? "Received" : "Measured";
        }

        /** Returns the value in a query. */
        public String query() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * The outcomes to show.
     *
     * @param clock the clock of the range. If null, the range selects by arrival. The plots then show the time of
     *     measurement, or the arrival if a selected outcome has no time of measurement
     * @param kind the verdict of the outcomes in the table; null for any
     * @param page the page of the table, 0 to {@link #MOST_PAGES} - 1
     */
    public record Wish(
            String name,
            Span span,
            @Nullable Clock clock,
            @Nullable Kind kind,
            int page) {
        /** Returns the verdict of the outcomes in the table; empty for any. */
        public String verdict() {
            return kind == null ? "" : kind.label();
        }

        /** Returns whether no bound of the range is given. */
        public boolean isOfAllTime() {
            return span.isOpen();
        }

        /** Returns the URL of the shard's page without a range. */
        public String newest() {
            return "/ui/shard?name=" + encodedName() + (kind == null ? "" : "&verdict=" + verdict());
        }

        /** Returns the name, encoded for use in the query of a URL. */
        public String encodedName() {
            return Pages.encoded(name);
        }

        /** Returns the URL of a page of the table. */
        public String address(int number) {
            return newest()
                    + (clock == null ? "" : "&clock=" + clock.query())
                    + (span.from() == null ? "" : "&from=" + span.from())
                    + (span.to() == null ? "" : "&to=" + span.to())
                    + (number == 0 ? "" : "&page=" + number);
        }

        /** Returns a bound of the range as the value of an input; empty without this bound. */
        public String input(@Nullable Instant bound) {
            return bound == null ? "" : Pages.local(bound);
        }

        private Rows read(RecordedOutcomes record, @Nullable Kind selected, int limit, @Nullable String cursor) {
            Span always = new Span(null, null);
            return record.outcomes(new OutcomeQuery(
                    name,
                    null,
                    selected,
                    null,
                    null,
                    clock == Clock.MEASURED ? always : span,
                    clock == Clock.MEASURED ? span : always,
                    Order.NEWEST,
                    limit,
                    cursor));
        }
    }

    /**
     * A range of time, with the addresses of other ranges.
     *
     * @param newest the URL of the shard's page without a range
     */
    public record Range(String newest, Clock clock, Instant from, Instant to) {
        private static final Duration LEAST = Duration.ofMillis(100);

        /** Returns the URL of the shard's page without the parameters {@code from} and {@code to}. */
        public String base() {
            return newest + "&clock=" + clock.query();
        }

        private String address(Duration before, Duration after) {
            Instant begin = from.minus(before);
            Instant end = to.plus(after);
            return base() + "&from=" + begin + "&to=" + (begin.plus(LEAST).isBefore(end) ? end : begin.plus(LEAST));
        }

        private Duration quarter() {
            return Duration.between(from, to).dividedBy(4).plusMillis(1);
        }

        public String closer() {
            return address(quarter().negated(), quarter().negated());
        }

        public String wider() {
            return address(quarter().multipliedBy(2), quarter().multipliedBy(2));
        }

        public String earlier() {
            return address(quarter().multipliedBy(2), quarter().multipliedBy(-2));
        }

        public String later() {
            return address(quarter().multipliedBy(-2), quarter().multipliedBy(2));
        }
    }

    /**
     * A plot.
     *
     * @param svg the plot for a page
     * @param caption a description of the plot and its lines
     * @param isOverTime whether its horizontal axis is the range of time
     */
    public record Drawn(String svg, String caption, boolean isOverTime) {}

    /** Reads the newest outcomes in a range; a shard that the record does not have gets a view without outcomes. */
    public static ShardView read(RecordedOutcomes record, Wish wanted, Policy policy, Instant now) {
        Span span = wanted.span();
        List<Outcome> found = new ArrayList<>();
        String cursor = null;
        int reads = 0;
        do {
            Rows part = wanted.read(record, null, MOST_DRAWN - found.size(), cursor);
            part.rows().forEach(row -> found.add(new Outcome(row)));
            cursor = part.cursor();
        } while (cursor != null && found.size() < MOST_DRAWN && ++reads < MOST_READS);
        Clock used = wanted.clock() != null
                ? wanted.clock()
                : found.stream().allMatch(each -> each.measuredAt() != null) ? Clock.MEASURED : Clock.RECEIVED;
        found.removeIf(each -> used == Clock.MEASURED && each.measuredAt() == null);
        List<Outcome> newest = List.copyOf(found.subList(0, Math.min(found.size(), PAGE_ROWS + 1)));
        found.sort(byTime(used));
        Range range = found.isEmpty() && (span.from() == null || span.to() == null)
                ? null
                : new Range(
                        wanted.newest(),
                        used,
                        span.from() != null && cursor == null
                                ? span.from()
                                : found.isEmpty() ? Objects.requireNonNull(span.from()) : used.of(found.get(0)),
                        span.to() != null
                                ? span.to()
                                : used.of(found.get(found.size() - 1)).plusMillis(1));
        List<Drawn> plots = found.isEmpty() || range == null ? List.of() : new ShardPlots(found, range, policy).all();
        List<Outcome> rows = wanted.page() == 0 && wanted.kind() == null ? newest : table(record, wanted);
        boolean isMeasured = rows.stream().allMatch(each -> each.measuredAt() != null);
        return new ShardView(
                now,
                wanted,
                rows.stream()
                        .limit(PAGE_ROWS)
                        .sorted(byTime(isMeasured ? used : Clock.RECEIVED).reversed())
                        .toList(),
                rows.size() > PAGE_ROWS && wanted.page() < MOST_PAGES - 1,
                found.size(),
                cursor != null,
                plots,
                range);
    }

    private static Comparator<Outcome> byTime(Clock clock) {
        return Comparator.comparing(clock::of).thenComparing(each -> each.key().epoch());
    }

    /** Reads a page of the table and one outcome more, if there is one. */
    private static List<Outcome> table(RecordedOutcomes record, Wish wanted) {
        int skipped = wanted.page() * PAGE_ROWS;
        List<Version> found = new ArrayList<>();
        String cursor = null;
        int reads = 0;
        do {
            int missing = skipped + PAGE_ROWS + 1 - found.size();
            Rows part = wanted.read(record, wanted.kind(), Math.min(RecordedOutcomes.MAX_LIMIT, missing), cursor);
            found.addAll(part.rows());
            cursor = part.cursor();
        } while (cursor != null && found.size() <= skipped + PAGE_ROWS && ++reads < MOST_READS + wanted.page());
        return found.stream().skip(skipped).map(Outcome::new).toList();
    }

    /** Returns the caption of the table. */
    public String caption() {
        String outcomes = wanted.kind() == null ? " outcomes" : " " + wanted.verdict() + " outcomes";
        long others = rows.stream().filter(each -> !each.isAccepted()).count();
        return (wanted.page() == 0 ? "The newest " + rows.size() : rows.size() + " older") + outcomes + " of this range"
                + (wanted.kind() == null ? ", " + others + " of them not accepted" : "")
                + "; numbers have no unit";
    }
}
