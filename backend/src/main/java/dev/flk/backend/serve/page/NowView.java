// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.serve.page.Rates.Counted;
import dev.flk.program.metrics.Samples;
import dev.flk.program.plot.Plot;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The view <i>Now</i>: problems, answers, service levels and current numbers.
 *
 * @param problems the current problems, the most urgent first
 * @param logs the logs of the backend's store; empty if they are not shown
 * @param rows a row for each kind of answer in {@code Rates.Counted.ANSWERS}
 * @param promises the service levels
 * @param minutes the number of minutes that the rows and service levels cover
 */
public record NowView(
        Instant at,
        List<Problem> problems,
        Optional<LogsView> logs,
        List<Row> rows,
        List<Promise> promises,
        int minutes,
        List<Figure> figures) {
    private static final double MANY_SECONDS = 60;
    private static final int POINTS = 240;
    private static final int MINUTES_OF_POINT = 6;
    private static final int MINUTES_OF_HOUR = 60;
    private static final int MINUTES_OF_DAY = 1_440;

    /** A component of the backend and whether it works. */
    public record Part(String name, boolean isReady, String detail) {
        private String title() {
            return name.equals("dedup") ? "deduplication store" : name;
        }
    }

    /**
     * A current problem.
     *
     * @param sentence what is wrong
     * @param remedy what to do
     */
    public record Problem(String sentence, String remedy) {}

    /**
     * The numbers of certificates with one kind of answer.
     *
     * @param line a plot of the last 24 hours, as SVG
     */
    public record Row(String answer, String lastMinute, String lastHour, String all, String line) {}

    /**
     * A service level.
     *
     * @param text what is promised
     * @param left the share of the error budget that is left, 0 to 1
     */
    public record Promise(String text, String lastHour, String all, double left) {
        private static Promise of(
                String text, double permitted, Rates rates, List<Counted> missed, List<Counted> counted) {
            double all = share(rates, MINUTES_OF_DAY, missed, counted);
            return new Promise(
                    text,
                    percent(share(rates, MINUTES_OF_HOUR, missed, counted)),
                    percent(all),
                    Double.isNaN(all) ? 1 : Math.max(0, 1 - all / permitted));
        }

        private static double share(Rates rates, int minutes, List<Counted> missed, List<Counted> counted) {
            double all = sum(rates, minutes, counted);
            return all == 0 ? Double.NaN : sum(rates, minutes, missed) / all;
        }

        private static double sum(Rates rates, int minutes, List<Counted> counted) {
            return counted.stream()
                    .mapToDouble(each -> rates.sum(each, minutes))
                    .sum();
        }

        private static String percent(double share) {
            return Double.isNaN(share) ? "–" : String.format(Locale.ROOT, "%.2f %%", share * 100);
        }

        /** Returns the share of the error budget that is left. */
        public String leftText() {
            return String.format(Locale.ROOT, "%.0f %%", left * 100);
        }
    }

    public record Figure(String name, String value) {}

    /**
     * Creates the view from the components and the metrics of the backend.
     *
     * @param logs the logs of its store; empty if they are not shown
     */
    public static NowView of(Instant at, List<Part> parts, Optional<LogsView> logs, Samples samples, Rates rates) {
        return new NowView(
                at,
                problems(parts, logs, samples),
                logs,
                Counted.ANSWERS.stream()
                        .map(answer -> row(answer, rates.perMinute(answer)))
                        .toList(),
                promises(rates),
                rates.size(),
                figures(samples));
    }

    private static List<Problem> problems(List<Part> parts, Optional<LogsView> logs, Samples samples) {
        List<Problem> found = new ArrayList<>(logs.map(LogsView::problems).orElse(List.of()));
        for (Part part : parts) {
            if (!part.isReady()) {
                found.add(new Problem(
                        "The " + part.title() + " is not ready: " + part.detail() + ".",
                        "Run flk backend health on its host; it names the cause."));
            }
        }
        if (samples.sum("flk_keys_file_bad") == 1) {
            found.add(new Problem(
                    "KEYS_FILE can't be used; the keys that were read last remain in force.",
                    "Run flk backend keys check, correct the file, and follow the runbook KeysFileBad."));
        }
        if (samples.sum("flk_tls_files_bad") == 1) {
            found.add(new Problem(
                    "The TLS files can't be used; the certificate that was read last remains in force.",
                    "Follow the runbook TlsFilesBad."));
        }
        if (samples.sum("flk_inbox_oldest_pending_seconds") > MANY_SECONDS) {
            found.add(new Problem(
                    "A certificate has waited for its decision for "
                            + duration(samples.sum("flk_inbox_oldest_pending_seconds")) + ".",
                    "The deduplication store is slow or down: follow the runbook DedupStoreDown."));
        }
        if (samples.sum("flk_record_lag_seconds") > 5 * MANY_SECONDS) {
            found.add(new Problem(
                    "The record of outcomes is " + duration(samples.sum("flk_record_lag_seconds")) + " behind.",
                    "Follow the runbook RecordLagging."));
        }
        double overdue = samples.sum("flk_review_overdue");
        if (overdue > 0) {
            found.add(new Problem(
                    overdue == 1
                            ? "A certificate has waited for a review for longer than REVIEW_AFTER."
                            : number(overdue) + " certificates have waited for a review for longer than REVIEW_AFTER.",
                    "The view Review lists what waits."));
        }
        double silent = samples.sum("flk_sessions_silent");
        if (silent > 0) {
            found.add(new Problem(
                    silent == 1 ? "A session is silent." : number(silent) + " sessions are silent.",
                    "The view Agents lists silent agents first; flk backend sessions list --silent 5m lists all"
                            + " silent sessions. Follow the runbook AgentSilent."));
        }
        return found;
    }

    private static Row row(Counted answer, List<Double> perMinute) {
        int size = perMinute.size();
        return new Row(
                answer.text(),
                size == 0 ? "–" : number(perMinute.get(size - 1)),
                number(sum(perMinute.subList(Math.max(0, size - 60), size))),
                number(sum(perMinute)),
                line(answer.text(), perMinute));
    }

    private static double sum(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).sum();
    }

    /** Plots the last 24 hours as a line with one point per six minutes. */
    private static String line(String answer, List<Double> perMinute) {
        List<Double> sums = new ArrayList<>(Collections.nCopies(POINTS, Double.NaN));
        int at = POINTS;
        for (int end = perMinute.size(); end > 0; end -= MINUTES_OF_POINT) {
            sums.set(--at, sum(perMinute.subList(Math.max(0, end - MINUTES_OF_POINT), end)));
        }
        double most = sums.stream()
                .filter(Double::isFinite)
                .mapToDouble(Double::doubleValue)
                .max()
                .orElse(0);
        return Plot.sparkline(
                sums,
                0,
                Math.max(1, most),
                POINTS,
                30,
                answer + " over the last 24 hours, at most " + number(most) + " in six minutes");
    }

    private static List<Promise> promises(Rates rates) {
        List<Counted> doubted = List.of(Counted.ESCALATED, Counted.REJECTED);
        List<Counted> decided = List.of(Counted.ACCEPTED, Counted.ESCALATED, Counted.REJECTED);
        return List.of(
                Promise.of("at most 2 % of certificates are escalated or rejected", 0.02, rates, doubted, decided),
                Promise.of(
                        "at most 0.1 % of submissions are answered 500 or 503",
                        0.001, rates, List.of(Counted.FAILED), List.of(Counted.SUBMITTED)),
                Promise.of(
                        "at most 1 % of submissions are answered later than 250 ms",
                        0.01, rates, List.of(Counted.SLOW), List.of(Counted.TIMED)));
    }

    private static List<Figure> figures(Samples samples) {
        return List.of(
                new Figure("certificates waiting for a decision", number(samples.sum("flk_inbox_pending"))),
                new Figure("appends waiting for the log", number(samples.sum("flk_wal_queue_appends"))),
                new Figure("requests in flight", number(samples.sum("flk_http_requests_in_flight"))),
                new Figure("open connections", number(samples.sum("flk_http_connections"))),
                new Figure("deduplication store", samples.sum("flk_dedup_up") == 1 ? "up" : "down"),
                new Figure("state", upOrOff(samples.sum("flk_state_up"))),
                new Figure("free space for the log", bytes(samples.sum("flk_wal_free_bytes"))),
                new Figure("free space for the state", bytes(samples.sum("flk_state_free_bytes"))),
                new Figure("sessions", number(samples.sum("flk_sessions"))),
                new Figure("silent sessions", number(samples.sum("flk_sessions_silent"))));
    }

    private static String upOrOff(double up) {
        return Double.isNaN(up) ? "off" : up == 1 ? "up" : "down";
    }

    private static String number(double value) {
        return Double.isNaN(value) ? "unknown" : String.format(Locale.ROOT, "%,.0f", value);
    }

    private static String bytes(double value) {
        return Double.isNaN(value) ? "unknown" : String.format(Locale.ROOT, "%,.1f GiB", value / (1 << 30));
    }

    static String duration(double seconds) {
        return seconds < 120
                ? String.format(Locale.ROOT, "%.0f s", seconds)
                : seconds < 7_200
                        ? String.format(Locale.ROOT, "%.0f min", seconds / 60)
                        : String.format(Locale.ROOT, "%.0f h", seconds / 3_600);
    }
}
