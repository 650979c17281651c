// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.feed;

import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Gauge;

/** The metrics of the feed; all are 0 without a feed, except that it is not known whether it is up. */
public final class FeedMetrics extends Metrics.Feature {
    private final Gauge up =
            gauge("flk_feed_up", "1 while outcomes are fed, 0 while they are not; NaN without a feed.");
    private final Gauge ended = gauge(
            "flk_feed_ended",
            "1 if another process writes the events of this log, so that this one feeds nothing any more; otherwise 0.");
    private final Gauge lagRecords = gauge(
            "flk_feed_lag_records",
            "Log records that are decided but not yet fed; NaN while the position of the feed is not known.");
    private final Gauge lagSeconds =
            gauge("flk_feed_lag_seconds", "Time since the feed was last up to date; 0 if it is.");
    final Count events = counter("flk_feed_events_total", "Outcomes and reviews that were fed.");
    final Count omitted = counter(
            "flk_feed_bodies_omitted_total", "Certificates that were fed as a digest, being too large for the topic.");
    final Count missed = counter("flk_feed_missed_total", "Log records that were removed before they were fed.");

    public FeedMetrics(Metrics metrics) {
        super(metrics);
        up.watch(() -> Double.NaN);
    }

    void watch(FeedFollower follower) {
        up.watch(() -> follower.isUp() ? 1 : 0);
        ended.watch(() -> follower.hasEnded() ? 1 : 0);
        lagRecords.watch(follower::lagRecords);
        lagSeconds.watch(follower::lagSeconds);
    }
}
