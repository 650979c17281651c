// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.follow;

import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Gauge;

/** The metrics of a follower; all are 0 without one. */
public final class FollowerMetrics extends Metrics.Feature {
    final Follows follows;
    final Gauge lagRecords;
    final Gauge lagSeconds;
    final Count missed;

    /** The sinks, with their names in metrics and log lines. */
    public enum Follows {
        RECORD("record", "the record of outcomes", "has stopped; the next attempt is in a second"),
        FEED("feed", "the feed", "waits, and continues in order");

        final String label;
        final String subject;
        /** The predicate of the log line after a failure, which the cause follows. */
        final String stopped;

        Follows(String label, String subject, String stopped) {
            this.label = label;
            this.subject = subject;
            this.stopped = stopped;
        }
    }

    public FollowerMetrics(Metrics metrics, Follows follows) {
        super(metrics);
        this.follows = follows;
        String name = "flk_" + follows.label;
        String subject = follows.subject;
        lagRecords = gauge(
                name + "_lag_records",
                "Log records that are decided but not yet in " + subject + "; NaN until its position is known.");
        lagSeconds = gauge(name + "_lag_seconds", "Time since " + subject + " was last up to date; 0 if it is.");
        missed = counter(name + "_missed_total", "Log records that were removed before they were in " + subject + ".");
    }
}
