// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import dev.flk.backend.ingest.RecentRefusals;
import dev.flk.backend.outcomes.record.ChangedShards.Changed;
import dev.flk.backend.serve.page.OutcomesView;
import dev.flk.backend.serve.page.Pages;
import dev.flk.backend.serve.page.ReviewGroups.WaitingShards;
import dev.flk.backend.serve.page.now.Problems.Seen;
import dev.flk.backend.serve.page.now.Rates.Counted;
import dev.flk.program.metrics.Samples;
import dev.flk.verification.Verdict.Kind;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The view <i>Now</i>: problems, answers, service levels and current numbers.
 *
 * @param began the time at which this process began to look for problems and to count
 * @param problems the current problems, the most urgent first
 * @param logs the logs of the backend's store; empty if they are not shown
 * @param rows a row for each kind of answer in {@code Rates.Counted.ANSWERS}
 * @param promises the service levels
 * @param isDay whether the plots are of the last 24 hours instead of the last hour
 */
public record NowView(
        Instant at,
        Instant began,
        List<Seen> problems,
        Optional<LogsView> logs,
        Minutes minutes,
        List<Row> rows,
        List<Promise> promises,
        boolean isDay,
        List<Trends.Drawn> trends,
        List<Figure> figures,
        RecordState record) {
    /** The address of the certificates that wait for a review. */
    static final String REVIEWS = "/ui/review";

    /** The address of the silent sessions. */
    static final String SILENT = "/ui/agents?silent=on";

    /** The address of the refused submissions. */
    public static final String REFUSED = "/ui/refused";

    /**
     * The record of outcomes, as it was read last.
     *
     * @param readAt the time of the last read that succeeded; null if this backend has no record
     * @param failure why the last read failed; empty if it succeeded
     * @param waiting the certificates that waited for a review
     * @param lines plots of what changed in shards, by their names, as SVG
     * @param began the arrival of the oldest certificate, if that was less than a day ago and the only copy of the
     *     record is on this machine; otherwise null
     */
    public record RecordState(
            @Nullable Instant readAt,
            String failure,
            WaitingShards waiting,
            Map<String, String> lines,
            @Nullable Instant began) {
        private static final Duration LATE = Duration.ofSeconds(15);

        /** The state before the first read. */
        public static final RecordState NONE = new RecordState(null, "", WaitingShards.NONE, Map.of(), null);

        boolean isUnknown(Instant at) {
            return readAt != null && (!failure.isEmpty() || readAt.plus(LATE).isBefore(at));
        }
    }

    /**
     * The data from which the view is made.
     *
     * @param began the time at which this process began to look for problems and to count
     * @param logs the logs of the backend's store; empty if they are not shown
     * @param refusals the newest refused submissions
     * @param changed the shards whose shape changed in the last hour, the largest distance first
     */
    public record Source(
            Instant at,
            Instant began,
            List<Part> parts,
            Optional<LogsView> logs,
            Samples samples,
            Minutes minutes,
            RecordState record,
            List<RecentRefusals.Group> refusals,
            List<Changed> changed) {}

    /** A component of the backend and whether it works. */
    public record Part(String name, boolean isReady, String detail) {
        boolean isStarting() {
            return detail.equals("starting");
        }

        String title() {
            return name.equals("dedup") ? "deduplication store" : name;
        }
    }

    /**
     * A number.
     *
     * @param path the address of the list of the counted items; null if there is no such list
     */
    public record Cell(String text, @Nullable String path) {}

    /**
     * The numbers of certificates with one kind of answer.
     *
     * @param since the time since when they are counted; null if that is the last 24 hours
     */
    public record Row(String answer, @Nullable Instant since, Cell lastMinute, Cell lastHour, Cell all) {}

    /**
     * A service level.
     *
     * @param text what is promised
     * @param since the time since when it is counted; null if that is the last 24 hours
     * @param burn how many times as fast as permitted the budget was used in the last hour
     * @param left the share of the error budget that is left, 0 to 1; NaN if nothing was counted
     */
    public record Promise(String text, @Nullable Instant since, String lastHour, String all, String burn, double left) {
        private static Promise of(ServiceLevel level, Minutes minutes) {
            Minutes lastHour = minutes.newest(Minutes.HOUR);
            double burn = level.burn(lastHour);
            return new Promise(
                    level.text(),
                    NowView.since(level.counted().get(0), minutes),
                    percent(level.share(lastHour)),
                    percent(level.share(minutes)),
                    Double.isNaN(burn) ? "–" : String.format(Locale.ROOT, "%,.1f", burn),
                    level.left(minutes));
        }

        /** Returns whether anything was counted. */
        public boolean isKnown() {
            return !Double.isNaN(left);
        }

        /** Returns the share of the error budget that is left. */
        public String leftText() {
            return isKnown() ? String.format(Locale.ROOT, "%.0f %%", left * 100) : "–";
        }
    }

    /** A current number. */
    public record Figure(String name, Cell cell) {
        private static Figure of(String name, String value, @Nullable String path) {
            return new Figure(name, new Cell(value, path));
        }
    }

    /** Creates the view, with plots of the last day or of the last hour. */
    public static NowView of(Source source, Problems problems, boolean isDay) {
        Minutes minutes = source.minutes();
        return new NowView(
                source.at(),
                source.began(),
                problems.see(source),
                source.logs(),
                minutes,
                Counted.ANSWERS.stream().map(answer -> row(answer, minutes)).toList(),
                ServiceLevel.ALL.stream()
                        .map(level -> Promise.of(level, minutes))
                        .toList(),
                isDay,
                Trends.of(source.at(), minutes, isDay),
                figures(source.samples()),
                source.record());
    }

    /** Returns whether no minute has ended yet, so that problems which are counted by the minute are not known. */
    public boolean isTooEarly() {
        return minutes.since(Counted.MINUTES).isEmpty();
    }

    /** Returns the beginning of the title: the number of problems, if there are any. */
    public String count() {
        return problems.isEmpty() ? "" : "(" + problems.size() + ") ";
    }

    /** Returns what the numbers of certificates mean. */
    public String caption() {
        String answers =
                "Submissions by answer, over the last 24 hours or since the time that is named. Duplicates are not"
                        + " counted as accepted, escalated or rejected.";
        Instant recorded = minutes.recordedUntil();
        return recorded == null
                ? answers
                : answers + " The numbers of these three are those of the record, of certificates that arrived "
                        + minutes.since(Counted.ACCEPTED)
                                .filter(minutes.dayAgo()::isBefore)
                                .map(since -> "from " + Pages.time(since) + " ")
                                .orElse("")
                        + "until " + Pages.time(recorded) + ".";
    }

    /** Returns whether anything was counted. */
    public boolean hasNumbers() {
        return !minutes.numbers().isEmpty();
    }

    private static Row row(Counted answer, Minutes minutes) {
        return new Row(
                answer.text(),
                since(answer, minutes),
                sum(answer, minutes.part(minutes.end() - 1, minutes.end())),
                linked(answer, sum(answer, minutes.newest(Minutes.HOUR))),
                sum(answer, minutes));
    }

    /** Returns the time since when something is counted; null if that is the last 24 hours, or it never was. */
    private static @Nullable Instant since(Counted counted, Minutes minutes) {
        return minutes.since(counted).filter(minutes.dayAgo()::isBefore).orElse(null);
    }

    /** Adds the link to the list of refusals, which has the last hour. */
    private static Cell linked(Counted answer, Cell cell) {
        return answer == Counted.REFUSED && !cell.text().matches("[–0]") ? new Cell(cell.text(), REFUSED) : cell;
    }

    /** Sums up minutes, with the list of what is counted if it is in the record. */
    static Cell sum(Counted counted, Minutes minutes) {
        Kind verdict = minutes.recordedUntil() == null ? null : Minutes.VERDICTS.get(counted);
        return minutes.since(counted)
                .map(since -> new Cell(
                        Pages.number(minutes.sum(counted)),
                        verdict == null ? null : OutcomesView.path(verdict.label(), since, minutes.until())))
                .orElse(new Cell("–", null));
    }

    private static List<Figure> figures(Samples samples) {
        return List.of(
                Figure.of("certificates waiting for a review", number(samples, "flk_review_waiting"), REVIEWS),
                Figure.of("certificates waiting for a decision", number(samples, "flk_inbox_pending"), null),
                Figure.of("appends waiting for the log", number(samples, "flk_wal_queue_appends"), null),
                Figure.of("requests in flight", number(samples, "flk_http_requests_in_flight"), null),
                Figure.of("open connections", number(samples, "flk_http_connections"), null),
                Figure.of("deduplication store", samples.sum("flk_dedup_up") == 1 ? "up" : "down", "/readyz"),
                Figure.of("free space for the log", bytes(samples.sum("flk_wal_free_bytes")), null),
                Figure.of("agents", number(samples, "flk_agents"), "/ui/agents"),
                Figure.of("silent agents", Pages.number(samples.sum("flk_agents", "state", "silent")), SILENT));
    }

    private static String number(Samples samples, String name) {
        return Pages.number(samples.sum(name));
    }

    static String percent(double share) {
        return Double.isNaN(share) ? "–" : String.format(Locale.ROOT, "%.2f %%", share * 100);
    }

    private static String bytes(double value) {
        return Double.isNaN(value) ? "unknown" : String.format(Locale.ROOT, "%,.1f GiB", value / (1 << 30));
    }
}
