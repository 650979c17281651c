// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.feed;

import dev.flk.backend.follow.Follower;
import dev.flk.backend.follow.FollowerMetrics;
import dev.flk.backend.follow.FollowerMetrics.Follows;
import dev.flk.feed.FeedTopic;
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
    private final Gauge topicBad = gauge(
            "flk_feed_topic_bad",
            "1 if the replicas or settings of the feed's topics may lose what they acknowledge; otherwise 0.");
    final FollowerMetrics follower;
    final Count events = counter("flk_feed_events_total", "Outcomes and reviews that were fed.");
    final Count omitted = counter(
            "flk_feed_bodies_omitted_total", "Certificates that were fed as a digest, being too large for the topic.");

    final Count lost =
            counter("flk_feed_lost_total", "Times that a topic of the feed had lost what it had acknowledged.");

    public FeedMetrics(Metrics metrics) {
        super(metrics);
        follower = new FollowerMetrics(metrics, Follows.FEED);
        up.watch(() -> Double.NaN);
    }

    void watch(Follower feed, FeedTopic topic) {
        topicBad.watch(() -> topic.weakness().isPresent() ? 1 : 0);
        up.watch(() -> feed.isUp() ? 1 : 0);
        ended.watch(() -> feed.hasEnded() ? 1 : 0);
    }
}
