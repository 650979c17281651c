// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Reads what was committed to a topic of events. Not safe for concurrent use. */
final class FedEvents implements AutoCloseable {
    static final int PARTITIONS = 3;
    private static final Duration POLL = Duration.ofMillis(200);

    private final KafkaConsumer<String, String> consumer;
    private final List<ConsumerRecord<String, String>> events = new ArrayList<>();

    /** @param client the settings of Kafka's clients by their names */
    FedEvents(Map<String, Object> client, String topic) {
        Map<String, Object> properties = new HashMap<>(client);
        properties.put("isolation.level", "read_committed");
        properties.put("auto.offset.reset", "earliest");
        consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
        List<TopicPartition> partitions = IntStream.range(0, PARTITIONS)
                .mapToObj(partition -> new TopicPartition(topic, partition))
                .toList();
        consumer.assign(partitions);
    }

    /** Creates a topic of events and that of its positions. */
    static void create(Admin admin, String topic) {
        Map<String, String> inSync = Map.of("min.insync.replicas", "2");
        Map<String, String> compacted = Map.of("min.insync.replicas", "2", "cleanup.policy", "compact");
        create(
                admin,
                new NewTopic(topic, PARTITIONS, (short) 3).configs(inSync),
                new NewTopic(topic + ".positions", 1, (short) 3).configs(compacted));
    }

    static void create(Admin admin, NewTopic... topics) {
        try {
            admin.createTopics(List.of(topics)).all().get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Reads what is there by now, and returns everything that was read so far, in the order of each partition. */
    List<ConsumerRecord<String, String>> all() {
        Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
        while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
            consumer.poll(POLL).forEach(events::add);
        }
        return List.copyOf(events);
    }

    static String header(ConsumerRecord<String, String> event, String name) {
        return new String(event.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
    }

    @Override
    public void close() {
        consumer.close();
    }
}
