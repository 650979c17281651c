// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ui;

import dev.flk.backend.metrics.Samples;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Counts of the answers to certificates in each of the last 1,440 minutes, in memory. Used by one thread. */
public final class Rates {
    private static final int MINUTES = 1_440;

    private final Deque<Map<Answer, Double>> minutes = new ArrayDeque<>();
    private Map<Answer, Double> totals;

    /** The ways to answer a certificate. */
    public enum Answer {
        ACCEPTED("accepted"),
        ESCALATED("escalated"),
        REJECTED("rejected"),
        /** Refused without a decision: malformed, of a wrong signature, too large or too slow. */
        REFUSED("refused"),
        THROTTLED("throttled");

        private final String text;

        Answer(String text) {
            this.text = text;
        }

        /** Returns the word for this answer. */
        public String text() {
            return text;
        }

        /** Returns the number of certificates with this answer since the start. */
        private double total(Samples samples) {
            double rejected = samples.sum("flk_rejected_total", "reason", "verification");
            return switch (this) {
                case ACCEPTED -> samples.sum("flk_accepted");
                case ESCALATED -> samples.sum("flk_escalated") - rejected;
                case REJECTED -> rejected;
                case REFUSED -> samples.sum("flk_rejected_total") - rejected;
                case THROTTLED -> samples.sum("flk_rate_limited_total");
            };
        }
    }

    /** @param start the metrics at the start */
    public Rates(Samples start) {
        totals = totals(start);
    }

    private static Map<Answer, Double> totals(Samples samples) {
        Map<Answer, Double> totals = new EnumMap<>(Answer.class);
        for (Answer answer : Answer.values()) {
            totals.put(answer, answer.total(samples));
        }
        return totals;
    }

    /** Ends a minute. */
    public void endMinute(Samples samples) {
        Map<Answer, Double> now = totals(samples);
        Map<Answer, Double> minute = new EnumMap<>(Answer.class);
        now.forEach((answer, total) -> minute.put(answer, total - totals.getOrDefault(answer, 0.0)));
        totals = now;
        if (minutes.size() == MINUTES) {
            minutes.removeFirst();
        }
        minutes.addLast(minute);
    }

    /** Returns the certificates of each minute with an answer, the oldest minute first. */
    List<Double> perMinute(Answer answer) {
        List<Double> values = new ArrayList<>(minutes.size());
        minutes.forEach(minute -> values.add(minute.getOrDefault(answer, 0.0)));
        return values;
    }
}
