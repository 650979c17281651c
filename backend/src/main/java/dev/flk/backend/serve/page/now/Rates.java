// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import dev.flk.program.metrics.Samples;
import java.time.Instant;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.function.Supplier;

/**
 * Counts submissions and their answers, their latency and the wait for decisions in each minute by the metrics, since
 * the start of the process. Confined to one thread.
 */
public final class Rates {
    private static final String SUBMIT_SECONDS = "flk_submit_seconds";
    private static final double SLOWEST_SHARE = 0.01;
    private static final double OVERDUE_SECONDS = 60;

    private long minute;
    private Map<Counted, Double> totals;
    private NavigableMap<Double, Double> answered;

    /** The numbers of a minute. */
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
        MINUTES("minutes"),
        /** The seconds within which 99 % of the submissions were answered; NaN if none was answered. */
        P99("latency"),
        /** The age in seconds, at the end of the minute, of the oldest certificate that waited for its decision. */
        OLDEST("age");

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
                case OVERDUE, MINUTES, P99, OLDEST -> 0;
            };
        }
    }

    /** @param start the metrics at the start */
    public Rates(Instant began, Samples start) {
        minute = Minutes.of(began);
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

    /**
     * Counts the minute that has ended, if one has since the last call, and returns the numbers with its own. It includes
     * the time before it that was not counted, for example while the process was suspended.
     */
    public Minutes count(Minutes before, Instant now, Supplier<Samples> metrics) {
        long current = Minutes.of(now);
        if (current == minute) {
            return before;
        }
        Samples samples = metrics.get();
        Map<Counted, Double> totalsNow = totals(samples);
        NavigableMap<Double, Double> answeredNow = samples.buckets(SUBMIT_SECONDS);
        double oldest = samples.sum("flk_inbox_oldest_pending_seconds");
        Map<Counted, Double> counts = new EnumMap<>(Counted.class);
        totalsNow.forEach((each, total) -> counts.put(each, total - totals.getOrDefault(each, 0.0)));
        counts.put(Counted.OVERDUE, oldest > OVERDUE_SECONDS ? 1.0 : 0.0);
        counts.put(Counted.MINUTES, 1.0);
        counts.put(Counted.P99, p99(answered, answeredNow));
        counts.put(Counted.OLDEST, oldest);
        minute = current;
        totals = totalsNow;
        answered = answeredNow;
        return before.ended(current, counts);
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
}
