// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ui;

import dev.flk.backend.metrics.Samples;
import dev.flk.backend.ui.Rates.Answer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * The view of what happens now.
 *
 * @param problems what is wrong, the most urgent first
 * @param rows a row for each way to answer a certificate
 * @param minutes the number of minutes that the rows cover
 */
public record NowView(Instant at, List<Problem> problems, List<Row> rows, int minutes, List<Figure> figures) {
    private static final double MANY_SECONDS = 60;

    /** A component of the backend, and whether it works. */
    public record Part(String name, boolean isReady, String detail) {}

    /**
     * Something that is wrong.
     *
     * @param sentence what is wrong
     * @param remedy what to do
     */
    public record Problem(String sentence, String remedy) {}

    /**
     * The certificates with one answer.
     *
     * @param line the points of a line over the last 24 hours, in a box of 240 by 30
     */
    public record Row(String answer, String lastMinute, String lastHour, String all, String line) {}

    /** A named number. */
    public record Figure(String name, String value) {}

    /** Creates the view from the components and the metrics of the backend. */
    public static NowView of(Instant at, List<Part> parts, Samples samples, Rates rates) {
        int minutes = rates.perMinute(Answer.ACCEPTED).size();
        return new NowView(
                at,
                problems(parts, samples),
                Stream.of(Answer.values())
                        .map(answer -> row(answer, rates.perMinute(answer)))
                        .toList(),
                minutes,
                figures(samples));
    }

    private static List<Problem> problems(List<Part> parts, Samples samples) {
        List<Problem> found = new ArrayList<>();
        for (Part part : parts) {
            if (!part.isReady()) {
                found.add(new Problem(
                        "The " + part.name() + " is not ready: " + part.detail() + ".",
                        "Run flk backend health on this machine; it names the cause."));
            }
        }
        if (samples.sum("flk_keys_file_bad") == 1) {
            found.add(new Problem(
                    "KEYS_FILE can't be used; the keys that were read last remain in force.",
                    "Correct the file: flk backend keys check, and the runbook KeysFileBad."));
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
                    "The store is slow or down: follow the runbook DedupStoreDown."));
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
                    "The view Review lists them."));
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

    private static Row row(Answer answer, List<Double> perMinute) {
        int size = perMinute.size();
        return new Row(
                answer.text(),
                size == 0 ? "–" : number(perMinute.get(size - 1)),
                number(sum(perMinute.subList(Math.max(0, size - 60), size))),
                number(sum(perMinute)),
                line(perMinute));
    }

    private static double sum(List<Double> values) {
        return values.stream().mapToDouble(Double::doubleValue).sum();
    }

    /** Draws a line whose right end is now, from 0 at the start; at most 240 points, each the sum of six minutes. */
    private static String line(List<Double> perMinute) {
        int step = 6;
        List<Double> sums = new ArrayList<>();
        for (int end = perMinute.size(); end > 0; end -= step) {
            sums.add(sum(perMinute.subList(Math.max(0, end - step), end)));
        }
        double most =
                Math.max(1, sums.stream().mapToDouble(Double::doubleValue).max().orElse(1));
        StringBuilder points = new StringBuilder();
        points.append(240 - sums.size()).append(",29.0 ");
        for (int i = sums.size() - 1; i >= 0; i--) {
            points.append(String.format(Locale.ROOT, "%d,%.1f ", 240 - i, 29 - 28 * sums.get(i) / most));
        }
        return points.toString().strip();
    }

    private static List<Figure> figures(Samples samples) {
        return List.of(
                new Figure("certificates waiting for a decision", number(samples.sum("flk_inbox_pending"))),
                new Figure("appends waiting for the log", number(samples.sum("flk_wal_queue_appends"))),
                new Figure("requests in flight", number(samples.sum("flk_http_requests_in_flight"))),
                new Figure("open connections", number(samples.sum("flk_http_connections"))),
                new Figure("store of outcomes", samples.sum("flk_dedup_up") == 1 ? "up" : "down"),
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
