// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.copy.CopyTopic;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletionStage;

/**
 * A topic of Kafka. An entry that was acknowledged is on all of the topic's brokers that are in sync, at least two with
 * the settings that {@link TopicCheck} requires. Brokers acknowledge from their memory, before they write to disk.
 */
public final class KafkaTopic implements CopyTopic {
    private final TopicAdmin admin;
    private final TopicProducer producer;
    private final TopicReader reader;

    /**
     * Creates a topic, without connecting to the brokers.
     *
     * @param topic the name, as {@link KafkaSettings#topicOf} returns it
     */
    public KafkaTopic(KafkaSettings settings, String topic) {
        this(settings, topic, TopicAdmin.CALL, TopicProducer.DELIVERY);
    }

    /**
     * @param call the time after which a call to the brokers fails
     * @param delivery the time after which an entry that was not acknowledged fails
     */
    KafkaTopic(KafkaSettings settings, String topic, Duration call, Duration delivery) {
        this.admin = new TopicAdmin(settings, topic, TopicRules.COPY, call);
        this.producer = new TopicProducer(settings, topic, admin, delivery);
        this.reader = new TopicReader(settings, topic, admin);
    }

    @Override
    public String identity() {
        return admin.identity();
    }

    @Override
    public String message(String what) {
        return admin.failures().message(what);
    }

    @Override
    public String removalCommand(OptionalLong before) {
        return before.isPresent()
                ? admin.commands().removeBefore(before.getAsLong())
                : admin.commands().delete();
    }

    @Override
    public long begin() {
        return admin.begin();
    }

    @Override
    public long end() {
        return admin.end(producer.acknowledgedEnd());
    }

    @Override
    public List<Entry> read(long from, long end) {
        return reader.read(from, end);
    }

    @Override
    public CompletionStage<Long> send(byte[] value) {
        return producer.send(value);
    }

    @Override
    public void trim(long before) {
        admin.removeBefore(before);
    }

    @Override
    public void close() {
        producer.close();
        reader.close();
        admin.close();
    }
}
