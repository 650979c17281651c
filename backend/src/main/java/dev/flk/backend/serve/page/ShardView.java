// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Order;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Part;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Span;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Wanted;
import dev.flk.verification.Policy;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The view of the outcomes of a shard in a range of time, or of the newest ones.
 *
 * @param rows the newest outcomes, the newest first, at most {@link #MOST_ROWS}
 * @param drawn the number of outcomes in the plots
 * @param isCut whether the range has older outcomes, which are not drawn
 * @param plots the plots as SVG; empty without outcomes
 * @param range the range of time of the plots; null if there are no outcomes and not both bounds of the range are given
 * @param isOfAllTime whether no bound of the range is given
 */
public record ShardView(
        Instant at,
        String name,
        List<Outcome> rows,
        int drawn,
        boolean isCut,
        List<Drawn> plots,
        @Nullable Range range,
        boolean isOfAllTime) {
    /** The maximum number of outcomes in the table. */
    public static final int MOST_ROWS = 200;

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

        /** Returns the value in a query. */
        public String query() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * A range of time, with the addresses of other ranges.
     *
     * @param shard the name of the shard, encoded for use in the query of a URL
     */
    public record Range(String shard, Clock clock, Instant from, Instant to) {
        private static final Duration LEAST = Duration.ofMillis(100);

        /** Returns the URL of the shard's page without the parameters {@code from} and {@code to}. */
        public String base() {
            return "/ui/shard?name=" + shard + "&clock=" + clock.query();
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

        public String newest() {
            return "/ui/shard?name=" + shard;
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

    /**
     * Reads the newest outcomes in a range; a shard that the record does not have gets a view without outcomes.
     *
     * @param clock the clock of the range. If null, the range selects by arrival. The plots then show the time of
     *     measurement, or the arrival if a selected outcome has no time of measurement
     */
    public static ShardView read(
            RecordedOutcomes record, String name, Span span, @Nullable Clock clock, Policy policy, Instant now) {
        Span always = new Span(null, null);
        List<Outcome> found = new ArrayList<>();
        String cursor = null;
        int reads = 0;
        do {
            Part part = record.outcomes(new Wanted(
                    name,
                    null,
                    null,
                    null,
                    null,
                    clock == Clock.MEASURED ? always : span,
                    clock == Clock.MEASURED ? span : always,
                    Order.NEWEST,
                    MOST_DRAWN - found.size(),
                    cursor));
            part.lines().forEach(line -> found.add(Outcome.of(line)));
            cursor = part.cursor();
        } while (cursor != null && found.size() < MOST_DRAWN && ++reads < MOST_READS);
        Clock used = clock != null
                ? clock
                : found.stream().allMatch(each -> each.measuredAt() != null) ? Clock.MEASURED : Clock.RECEIVED;
        found.removeIf(each -> used == Clock.MEASURED && each.measuredAt() == null);
        found.sort(
                Comparator.comparing(used::of).thenComparing(each -> each.key().epoch()));
        Range range = found.isEmpty() && (span.from() == null || span.to() == null)
                ? null
                : new Range(
                        Pages.encoded(name),
                        used,
                        span.from() != null && cursor == null
                                ? span.from()
                                : found.isEmpty() ? Objects.requireNonNull(span.from()) : used.of(found.get(0)),
                        span.to() != null
                                ? span.to()
                                : used.of(found.get(found.size() - 1)).plusMillis(1));
        List<Drawn> plots = found.isEmpty() || range == null ? List.of() : new ShardPlots(found, range, policy).all();
        int drawn = found.size();
        Collections.reverse(found);
        return new ShardView(
                now,
                name,
                List.copyOf(found.subList(0, Math.min(MOST_ROWS, drawn))),
                drawn,
                cursor != null,
                plots,
                range,
                span.from() == null && span.to() == null);
    }

    /** Returns the number of outcomes in the table that are not accepted. */
    public long others() {
        return rows.stream().filter(each -> !each.isAccepted()).count();
    }
}
