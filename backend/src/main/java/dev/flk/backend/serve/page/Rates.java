// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.program.metrics.Samples;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Counts of submissions and their answers in each of the last 1,440 minutes, in memory. Safe for any thread. */
public final class Rates {
    private static final int MINUTES = 1_440;

    private final Deque<Map<Counted, Double>> minutes = new ArrayDeque<>();
    private Map<Counted, Double> totals;

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
        TIMED("timed");

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

        /** Returns the number since the start. */
        private double total(Samples samples) {
            double rejected = samples.sum("flk_rejected_total", "reason", "verification");
            double timed = samples.sum("flk_submit_seconds_count");
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
                case SLOW -> timed - samples.sum("flk_submit_seconds_bucket", "le", "0.25");
                case TIMED -> timed;
            };
        }
    }

    /** @param start the metrics at the start */
    public Rates(Samples start) {
        totals = totals(start);
    }

    private static Map<Counted, Double> totals(Samples samples) {
        Map<Counted, Double> totals = new EnumMap<>(Counted.class);
        for (Counted each : Counted.values()) {
            totals.put(each, each.total(samples));
        }
        return totals;
    }

    /** Ends a minute. {@code samples} are the metrics at its end. */
    public synchronized void endMinute(Samples samples) {
        Map<Counted, Double> now = totals(samples);
        Map<Counted, Double> minute = new EnumMap<>(Counted.class);
        now.forEach((each, total) -> minute.put(each, total - totals.getOrDefault(each, 0.0)));
        totals = now;
        if (minutes.size() == MINUTES) {
            minutes.removeFirst();
        }
        minutes.addLast(minute);
    }

    /** Returns the count of each minute, oldest first. */
    synchronized List<Double> perMinute(Counted counted) {
        List<Double> values = new ArrayList<>(minutes.size());
        minutes.forEach(minute -> values.add(minute.getOrDefault(counted, 0.0)));
        return values;
    }

    /** Returns the sum over the last {@code newest} minutes. */
    synchronized double sum(Counted counted, int newest) {
        List<Double> values = perMinute(counted);
        return values.subList(Math.max(0, values.size() - newest), values.size()).stream()
                .mapToDouble(Double::doubleValue)
                .sum();
    }

    /** Returns the number of minutes that are counted, at most 1,440. */
    synchronized int size() {
        return minutes.size();
    }
}
