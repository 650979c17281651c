// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.program.health.Finding;
import java.util.ArrayList;
import java.util.List;

/**
 * Checks that the topics of a feed keep what they acknowledge: the one of the events, which may have any number of
 * partitions and any retention, and the one of the positions.
 */
public final class FeedCheck {
    private final TopicCheck events;
    private final TopicCheck positions;

    /** @param topic the topic of the events */
    public FeedCheck(KafkaSettings settings, String topic) {
        this.events = new TopicCheck(settings, topic, TopicRules.FEED);
        this.positions = new TopicCheck(settings, KafkaFeed.positionsOf(topic), TopicRules.POSITIONS);
    }

    /** Checks both topics within a bounded time, without changing them; a bad finding has the remedy. */
    public List<Finding> run() {
        List<Finding> found = new ArrayList<>(events.run(false));
        found.addAll(positions.run(false));
        return found;
    }
}
