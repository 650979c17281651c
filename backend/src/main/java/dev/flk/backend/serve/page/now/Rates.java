// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import dev.flk.program.metrics.Samples;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;

/**
 * Counts of submissions and their answers, their latency and the wait for decisions in each of the last 1,440 minutes,
 * in memory. Safe for any thread.
 */
public final class Rates {
    static final int MINUTES = 1_440;
    static final int MINUTES_OF_HOUR = 60;

    private static final String SUBMIT_SECONDS = "flk_submit_seconds";
    private static final double SLOWEST_SHARE = 0.01;
    private static final double OVERDUE_SECONDS = 60;

    private final Instant began;
    private final Deque<Minute> minutes = new ArrayDeque<>();
    private Map<Counted, Double> totals;
    private NavigableMap<Double, Double> answered;

    /** The numbers that are counted for each minute. */
    public enum Counted {
        ACCEPTED("accepted"),
        ESCALATED("escalated"),
        REJECTED("rejected by verification"),
        /**
         * Refused without a decision: malformed, sent too far in the future, wrongly signed, too large, too slow or
         * changed on the way.
         */
        REFUSED("refused before verification"),
        THROTTLED("throttled (rate limits)"),
        FAILED("failed (500 or 503)"),
        /** Submissions that the limits admitted, and those that were answered 503 before the limits were checked. */
        SUBMITTED("submitted"),
        /** Submissions that were answered later than promised. */
        SLOW("slow"),
        /** Submissions whose time to the answer was measured. */
        TIMED("timed"),
        /** Minutes at whose end a certificate had waited for its decision for longer than promised. */
        OVERDUE("overdue minutes"),
        /** All minutes. */
        MINUTES("minutes");

        /** The numbers that the view <i>Now</i> shows, one in each row. */
        static final List<Counted> ANSWERS = List.of(ACCEPTED, ESCALATED, REJECTED, REFUSED, THROTTLED, FAILED);

        private final String text;

        Counted(String text) {
            this.text = text;
        }

        /** Returns the label of this number in the view <i>Now</i>. */
        public String text() {
            return text;
        }

        /** Returns the number since the start; 0 for a number that is counted at the end of each minute. */
        private double total(Samples samples) {
            double rejected = samples.sum("flk_rejected_total", "reason", "verification");
            double timed = samples.sum(SUBMIT_SECONDS + "_count");
            return switch (this) {
                case ACCEPTED -> samples.sum("flk_accepted");
                case ESCALATED -> samples.sum("flk_escalated") - rejected;
                case REJECTED -> rejected;
                case REFUSED -> samples.sum("flk_rejected_total") - rejected;
                case THROTTLED -> samples.sum("flk_rate_limited_total");
                case FAILED ->
                    samples.sum("flk_unavailable_total")
                            + samples.sum("flk_wal_errors")
                            + samples.sum("flk_internal_errors_total");
                case SUBMITTED ->
                    samples.sum("flk_ingest_total")
                            + samples.sum("flk_refused_early_total")
                            + samples.sum("flk_unavailable_total", "cause", "starting");
                case SLOW -> timed - samples.sum(SUBMIT_SECONDS + "_bucket", "le", "0.25");
                case TIMED -> timed;
                case OVERDUE, MINUTES -> 0;
            };
        }
    }

    /**
     * The numbers of a minute.
     *
     * @param end the end of the minute, which may have been longer if the process was suspended
     * @param p99Seconds the time within which 99 % of the submissions were answered; NaN if none was answered
     * @param oldestSeconds the age, at the end, of the oldest certificate that waited for its decision
     */
    record Minute(Instant end, Map<Counted, Double> counts, double p99Seconds, double oldestSeconds) {
        double count(Counted counted) {
            return counts.getOrDefault(counted, 0.0);
        }
    }

    /** @param start the metrics at the start */
    public Rates(Instant began, Samples start) {
        this.began = began;
        totals = totals(start);
        answered = start.buckets(SUBMIT_SECONDS);
    }

    private static Map<Counted, Double> totals(Samples samples) {
        Map<Counted, Double> totals = new EnumMap<>(Counted.class);
        for (Counted each : Counted.values()) {
            totals.put(each, each.total(samples));
        }
        return totals;
    }

    /** Ends a minute. {@code samples} are the metrics at its end. */
    public synchronized void endMinute(Instant end, Samples samples) {
        Map<Counted, Double> now = totals(samples);
        NavigableMap<Double, Double> answeredNow = samples.buckets(SUBMIT_SECONDS);
        double oldest = samples.sum("flk_inbox_oldest_pending_seconds");
        Map<Counted, Double> counts = new EnumMap<>(Counted.class);
        now.forEach((each, total) -> counts.put(each, total - totals.getOrDefault(each, 0.0)));
        counts.put(Counted.OVERDUE, oldest > OVERDUE_SECONDS ? 1.0 : 0.0);
        counts.put(Counted.MINUTES, 1.0);
        if (minutes.size() == MINUTES) {
            minutes.removeFirst();
        }
        minutes.addLast(new Minute(end, counts, p99(answered, answeredNow), oldest));
        totals = now;
        answered = answeredNow;
    }

    /** Returns the 99th percentile of the values that were added to a histogram, interpolated as Prometheus does. */
    private static double p99(NavigableMap<Double, Double> before, NavigableMap<Double, Double> after) {
        double all = after.isEmpty() ? 0 : after.lastEntry().getValue() - before.getOrDefault(after.lastKey(), 0.0);
        if (!(all > 0)) {
            return Double.NaN;
        }
        double rank = (1 - SLOWEST_SHARE) * all;
        double low = 0;
        double below = 0;
        for (Map.Entry<Double, Double> bucket : after.entrySet()) {
            double high = bucket.getKey();
            double count = bucket.getValue() - before.getOrDefault(high, 0.0);
            if (count >= rank) {
                return Double.isInfinite(high) ? low : low + (high - low) * (rank - below) / (count - below);
            }
            low = high;
            below = count;
        }
        return low;
    }

    /** Returns the time at which this process began to count. */
    Instant began() {
        return began;
    }

    /** Returns the minutes that are counted, the oldest first, at most 1,440. */
    public synchronized List<Minute> minutes() {
        return List.copyOf(minutes);
    }

    /** Returns the newest of some minutes. */
    static List<Minute> newest(List<Minute> minutes, int most) {
        return minutes.subList(Math.max(0, minutes.size() - most), minutes.size());
    }

    /** Returns those of some minutes that are of the last hour. */
    static List<Minute> lastHour(List<Minute> minutes) {
        return newest(minutes, MINUTES_OF_HOUR);
    }

    /** Returns the sum over some minutes. */
    static double sum(List<Minute> minutes, Counted counted) {
        return minutes.stream().mapToDouble(minute -> minute.count(counted)).sum();
    }
}
