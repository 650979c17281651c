// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.OutcomeRows.Counts;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.ShardChange;
import dev.flk.backend.outcomes.record.ShardChange.State;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.serve.page.OutcomeFilter.Condition;
import dev.flk.verification.Verdict.Kind;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The view Explore: a page of the certificates that meet conditions, the newest first, at most {@link #MOST_ROWS}, and
 * how many there are over time.
 *
 * @param given the values of the form
 * @param problem what is wrong with the values, as a sentence; empty if they are valid
 * @param conditions the conditions that are set
 * @param words what the certificates are
 * @param ranges the addresses of usual ranges of time
 * @param histogram the numbers over time; null if no certificate meets the conditions
 * @param plots the plots of the shard; null if no shard is selected, or it has no certificate in this range
 * @param paging the addresses of other pages; empty texts for none
 * @param change how the shape of the shard compares with its past; null if no shard is selected
 * @param reasons the kinds of reasons on this page
 * @param reviewed the newest reviews of the certificates of a shard on this page, by id
 */
public record OutcomesView(
        Instant at,
        Map<String, String> given,
        String problem,
        List<Condition> conditions,
        String words,
        List<Range> ranges,
        List<Outcome> rows,
        @Nullable OutcomeHistogram histogram,
        @Nullable ShardPlots plots,
        @Nullable ShardChange change,
        Paging paging,
        List<String> reasons,
        Map<String, String> reviewed) {
    /** The maximum number of certificates on a page. */
    static final int MOST_ROWS = 20;

    /** A range of time with its address. */
    public record Range(String name, String path) {}

    /** The addresses of the newest, next newer and next older page, and of the files; empty if one does not exist. */
    public record Paging(String newest, String newer, String older, String csv, String ndjson) {
        private static final Paging NONE = new Paging("", "", "", "", "");
    }

    /** Returns the address of the certificates with a verdict that arrived in a range of time. */
    public static String path(String verdict, Instant from, Instant to) {
        return path(Map.of("verdict", verdict, "from", from.toString(), "to", to.toString()));
    }

    /** Returns the address with the conditions in a query. */
    public static String path(Map<String, String> query) {
        return OutcomeQuery.address(OutcomeFilter.PATH, OutcomeFilter.given(query));
    }

    /** Returns the address of the certificates of a shard. */
    public static String ofShard(String shard) {
        return path(Map.of("shard", shard));
    }

    /** Returns the view with the form only, and what is wrong with its values. */
    public static OutcomesView invalid(Map<String, String> query, String problem, Instant now) {
        return new OutcomesView(
                now,
                OutcomeFilter.given(query),
                "Nothing is shown: " + problem + ".",
                List.of(),
                "",
                List.of(),
                List.of(),
                null,
                null,
                null,
                Paging.NONE,
                List.of(),
                Map.of());
    }

    /**
     * Reads a page.
     *
     * @param reviews the reviews to show with the certificates of a shard; null for none
     */
    public static OutcomesView read(
            RecordedOutcomes record, OutcomeFilter filter, @Nullable Reviews reviews, Instant now) {
        OutcomeQuery wanted = filter.query();
        boolean isBack = wanted.order() == Order.OLDEST;
        Rows part = record.outcomes(wanted);
        List<Outcome> rows =
                new ArrayList<>(part.rows().stream().map(Outcome::new).toList());
        if (isBack) {
            Collections.reverse(rows);
        }
        boolean isOfIds = wanted.id() != null;
        boolean isNewest = wanted.cursor() == null || (isBack && part.cursor() == null);
        String before = isNewest ? null : isBack ? part.cursor() : part.first();
        String after = isOfIds ? null : isBack ? part.first() : part.cursor();
        String problem = filter.agent() == null ? "" : filter.agent().problem();
        if (isOfIds && part.cursor() != null) {
            problem = "More than " + MOST_ROWS + " ids begin with these digits. Enter more of them.";
        }
        TreeSet<String> reasons = new TreeSet<>();
        rows.forEach(row -> reasons.add(row.version().outcome().cause()));
        reasons.remove("");
        return new OutcomesView(
                now,
                filter.given(),
                problem,
                filter.conditions(),
                filter.words(),
                List.of(
                        last(filter, "last hour", Duration.ofHours(1), now),
                        last(filter, "last day", Duration.ofDays(1), now),
                        last(filter, "last 7 days", Duration.ofDays(7), now),
                        new Range("all time", filter.with("from", "", "to", ""))),
                rows,
                histogram(record, filter, part),
                filter.value("shard").isEmpty() ? null : ShardPlots.read(record, filter),
                filter.value("shard").isEmpty() ? null : record.changes().of(filter.value("shard")),
                new Paging(
                        isNewest ? "" : filter.with(),
                        before == null ? "" : filter.page("newer", before),
                        after == null ? "" : filter.page("cursor", after),
                        filter.file("csv"),
                        filter.file("ndjson")),
                List.copyOf(reasons),
                reviews == null || filter.value("shard").isEmpty() ? Map.of() : reviewed(reviews, rows));
    }

    private static Map<String, String> reviewed(Reviews reviews, List<Outcome> rows) {
        Map<String, String> reviewed = new HashMap<>();
        for (Outcome row : rows) {
            List<Review> versions = row.isAccepted() ? List.of() : reviews.versions(row.key());
            if (!versions.isEmpty()) {
                reviewed.put(
                        row.key().pcsId(),
                        versions.get(0).verdict().text() + ", "
                                + versions.get(0).author());
            }
        }
        return reviewed;
    }

    /** Returns the newest review of a certificate that was not accepted, or that it waits. */
    public String review(Outcome row) {
        return row.isAccepted() ? "" : reviewed.getOrDefault(row.key().pcsId(), "waits");
    }

    private static Range last(OutcomeFilter filter, String name, Duration time, Instant now) {
        return new Range(
                name,
                filter.with(
                        "from", now.minus(time).truncatedTo(ChronoUnit.SECONDS).toString(), "to", ""));
    }

    private static @Nullable OutcomeHistogram histogram(RecordedOutcomes record, OutcomeFilter filter, Rows part) {
        List<Version> rows = part.rows();
        if (filter.query().id() != null) {
            return rows.isEmpty() ? null : ofRows(filter, rows);
        }
        if (rows.isEmpty() && part.cursor() == null && filter.query().cursor() == null) {
            return null;
        }
        Span span = filter.span();
        Instant from = span.from() != null ? span.from() : end(record, filter, Order.OLDEST, 0);
        Instant to = span.to() != null ? span.to() : end(record, filter, Order.NEWEST, 1);
        if (from == null || to == null || !from.isBefore(to)) {
            return null; // nothing may meet the conditions
        }
        long[] bounds = OutcomeHistogram.bounds(from, to);
        Counts counts = record.count(filter.query(), bounds);
        return counts.total() == 0 ? null : new OutcomeHistogram(filter, bounds, counts);
    }

    /**
     * Returns the time of the oldest or the newest outcome that may meet the conditions, and some milliseconds later.
     */
    private static @Nullable Instant end(RecordedOutcomes record, OutcomeFilter filter, Order order, int millis) {
        OutcomeQuery wanted =
                filter.query().wider().withOrder(order).withLimit(1).withCursor(null);
        return record.outcomes(wanted).rows().stream()
                .findFirst()
                .map(row -> wanted.time(row.outcome())
                        .truncatedTo(ChronoUnit.MILLIS)
                        .plusMillis(millis))
                .orElse(null);
    }

    private static OutcomeHistogram ofRows(OutcomeFilter filter, List<Version> rows) {
        List<Instant> times = rows.stream()
                .map(row -> filter.query().time(row.outcome()).truncatedTo(ChronoUnit.MILLIS))
                .toList();
        long[] bounds = OutcomeHistogram.bounds(
                times.get(times.size() - 1), times.get(0).plusMillis(1));
        Map<Kind, long[]> counts = Counts.zeros(bounds.length - 1);
        for (int i = 0; i < rows.size(); i++) {
            int found = Arrays.binarySearch(bounds, times.get(i).toEpochMilli());
            int bar = found < 0 ? -found - 2 : found; // the last bound that is not after the time
            Objects.requireNonNull(counts.get(rows.get(i).outcome().verdict().kind()))[bar]++;
        }
        return new OutcomeHistogram(filter, bounds, new Counts(counts));
    }

    /** Returns what changed in the shape of the shard; empty if nothing did. */
    public String changed() {
        if (change == null || change.state() != State.CHANGED) {
            return "";
        }
        return switch (Objects.requireNonNull(change.measure())) {
                    case D_HAT -> "D̂, how much of the space the points fill,";
                    case COH_STAR -> "coh★, how much they gather along a direction,";
                    case R -> "r, how little the rows repeat,";
                }
                + String.format(
                        Locale.ROOT, " is %.2f; the median of those before is %.2f.", change.to(), change.from());
    }

    /** Returns the value of a field of the form; empty for none. */
    public String value(String name) {
        return given.getOrDefault(name, "");
    }

    /** Returns a time of the form as the value of an input, which has no zone; empty if it is not a time. */
    public String local(String name) {
        return value(name).endsWith("Z") ? value(name).replace("Z", "") : "";
    }

    public String title() {
        return !value("shard").isEmpty()
                ? "Shard " + value("shard")
                : value("key").isEmpty() ? "Explore" : "Key " + value("key");
    }

    /** Returns whether the page follows a shard or a key: it begins with the newest certificate. */
    public boolean isLive() {
        boolean isOfOne = given.containsKey("shard") || given.containsKey("key");
        return isOfOne
                && !given.containsKey("to")
                && !words.isEmpty()
                && paging.newest().isEmpty();
    }
}
