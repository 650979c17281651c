// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.follow;

import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Gauge;

/** The metrics of a follower; all are 0 without one. */
public final class FollowerMetrics extends Metrics.Feature {
    final Gauge lagRecords;
    final Gauge lagSeconds;
    final Count missed;

    /**
     * @param name the part of the names of the metrics, such as {@code record}
     * @param subject the noun phrase for the sink, such as "the feed"
     */
    public FollowerMetrics(Metrics metrics, String name, String subject) {
        super(metrics);
        lagRecords = gauge(
                "flk_" + name + "_lag_records",
                "Log records that are decided but not yet in " + subject + "; NaN until its position is known.");
        lagSeconds =
                gauge("flk_" + name + "_lag_seconds", "Time since " + subject + " was last up to date; 0 if it is.");
        missed = counter(
                "flk_" + name + "_missed_total", "Log records that were removed before they were in " + subject + ".");
    }
}
