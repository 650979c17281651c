// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.feed;

import static dev.flk.program.config.Quantities.matching;

import dev.flk.copy.kafka.FeedCheck;
import dev.flk.copy.kafka.KafkaEvents;
import dev.flk.copy.kafka.KafkaFeed;
import dev.flk.copy.kafka.KafkaSettings;
import dev.flk.feed.FeedTopic;
import dev.flk.feed.FeedUnavailableException;
import dev.flk.program.config.Key;
import dev.flk.program.config.Settings;
import dev.flk.program.health.Finding;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The destination of the feed of outcomes.
 *
 * @param kafka the brokers
 * @param topic the topic of events
 */
public record FeedConfig(KafkaSettings kafka, String topic) {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.feed");
    private static final Pattern TOPIC = Pattern.compile("[A-Za-z0-9._-]{1,200}");
    private static final String INVALID = "not 1 to 200 letters, digits, dots, hyphens or underscores";

    private static final Key<String> FEED_TOPIC = Key.of(
                    "FEED_TOPIC",
                    matching(TOPIC, INVALID),
                    "Every outcome, with its certificate, becomes an event in this topic of Kafka. Needs"
                            + " `KAFKA_BROKERS`.")
            .derived("no feed");

    /** The settings of the feed, and those of Kafka, which the copy of the log shares. */
    public static final List<Key<?>> KEYS =
            Stream.concat(Stream.of(FEED_TOPIC), KafkaSettings.KEYS.stream()).toList();

    /**
     * Reads the settings; returns empty if nothing is fed.
     *
     * @param isCopied whether the log is copied to Kafka
     */
    public static Optional<FeedConfig> read(Settings settings, boolean isCopied) {
        Optional<FeedConfig> feed = settings.find(FEED_TOPIC)
                .map(topic -> new FeedConfig(KafkaSettings.read(settings, "FEED_TOPIC"), topic));
        if (feed.isEmpty() && !isCopied) {
            settings.unused("LOG_COPY is off and FEED_TOPIC is not set", KafkaSettings.KEYS);
        }
        return feed;
    }

    /** Reads the settings for repeating events to a topic that does not belong to the feed. */
    public static FeedConfig to(Settings settings, String topic) {
        settings.require(
                settings.find(FEED_TOPIC)
                        .filter(feed -> topic.equals(feed) || topic.equals(KafkaFeed.positionsOf(feed)))
                        .isEmpty(),
                "--to-topic: " + topic + " belongs to the feed, whose consumers would see events twice; name another");
        settings.require(TOPIC.matcher(topic).matches(), "--to-topic: " + INVALID);
        return new FeedConfig(KafkaSettings.read(settings, "feed replay"), topic);
    }

    /**
     * Opens the topic, without connecting to the brokers.
     *
     * @param logId the id of the log, 32 hex digits
     * @param claimTerm the term of the claim with which this process owns the log; 0 without a claim
     * @param instance an id of this process, which no earlier process had
     * @param host the name of this machine, for messages
     */
    public FeedTopic open(String logId, long claimTerm, String instance, String host) {
        return new KafkaFeed(kafka, topic, logId, claimTerm, instance, host);
    }

    /**
     * Returns the term of the claim with which the log was fed last, so that its next owner claims it with a higher one; 0
     * if it was not fed, or without a claim. A feed that can't be used does not hold up the start, which then gets 0; the
     * feed itself finds a higher term later, and ends.
     */
    public long claimTerm(String logId) {
        try (KafkaFeed feed = new KafkaFeed(kafka, topic, logId, 0, "-", "-")) {
            return feed.committedTerm();
        } catch (FeedUnavailableException e) {
            LOG.warn(
                    "the log is claimed without the position of the feed; if the feed then ends, restart this backend: {}",
                    e.getMessage());
            return 0;
        }
    }

    /**
     * Opens the topic for events that are repeated.
     *
     * @throws FeedUnavailableException if the brokers can't be reached, lack the topic, or deny its use
     */
    KafkaEvents openWithoutPosition() {
        return new KafkaEvents(kafka, topic);
    }

    /** Checks the topics within a bounded time, without changing them; see {@link FeedCheck}. */
    public List<Finding> findings() {
        return new FeedCheck(kafka, topic).run();
    }
}
