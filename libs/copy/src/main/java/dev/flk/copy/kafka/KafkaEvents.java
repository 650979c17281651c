// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.feed.FeedEvent;
import dev.flk.feed.FeedUnavailableException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A topic that gets events without a position, such as events that are repeated. After a failure, the topic may have
 * some of the events. One thread; an interrupt ends a call that blocks.
 */
public final class KafkaEvents implements AutoCloseable {
    private final String topic;
    private final KafkaFailures failures;
    private final int maxMessageBytes;
    private final Producer<byte[], byte[]> producer;

    /**
     * Connects to the brokers.
     *
     * @throws FeedUnavailableException if the brokers can't be reached, lack the topic, or deny its use
     */
    public KafkaEvents(KafkaSettings settings, String topic) {
        try (TopicAdmin admin = new TopicAdmin(settings, topic, TopicRules.FEED, TopicAdmin.CALL)) {
            failures = admin.failures();
            maxMessageBytes = KafkaFeed.maxMessageBytes(admin);
            Map<String, Object> properties =
                    KafkaFeed.properties(settings, topic, maxMessageBytes, KafkaFeed.Limits.USUAL);
            properties.put(ProducerConfig.LINGER_MS_CONFIG, 5);
            producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        } catch (CopyUnavailableException e) {
            throw new FeedUnavailableException(String.valueOf(e.getMessage()), e);
        }
        this.topic = topic;
    }

    /** Returns the largest number of bytes that the value of an event may have. */
    public int maxValueBytes() {
        return KafkaFeed.maxValueBytes(maxMessageBytes);
    }

    /**
     * Sends events and waits until the brokers have acknowledged them.
     *
     * @throws FeedUnavailableException if they may be missing
     */
    public void send(List<FeedEvent> events) {
        try {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (FeedEvent each : events) {
                sent.add(producer.send(KafkaFeed.record(topic, each)));
            }
            for (Future<RecordMetadata> each : sent) {
                RecordMetadata unused = each.get();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FeedUnavailableException(failures.message("interrupted"), e);
        } catch (ExecutionException | RuntimeException e) {
            throw new FeedUnavailableException(failures.message(failures.meaning(e)), e);
        }
    }

    @Override
    public void close() {
        producer.close(KafkaFeed.CLOSE);
    }
}
