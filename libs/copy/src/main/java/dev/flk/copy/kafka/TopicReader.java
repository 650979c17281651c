// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.CopyTopic.Entry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.jspecify.annotations.Nullable;

/** Reads entries of a topic that are replicated, without a group of consumers. One thread. */
final class TopicReader implements AutoCloseable {
    private static final Duration POLL = Duration.ofMillis(100);
    private static final Duration CLOSE = Duration.ofSeconds(1);
    private static final int FETCH_BYTES = 4 << 20;

    private final KafkaSettings settings;
    private final String topic;
    private final TopicPartition partition;
    private final TopicAdmin admin;
    private @Nullable Consumer<byte[], byte[]> consumer;

    TopicReader(KafkaSettings settings, String topic, TopicAdmin admin) {
        this.settings = settings;
        this.topic = topic;
        this.partition = new TopicPartition(topic, 0);
        this.admin = admin;
    }

    /**
     * Returns entries from an offset on, at least one unless all of them were removed. Fails if the brokers do not have
     * them within a bounded time: a leader that was just elected, or was replaced and does not know it, may lack some.
     */
    List<Entry> read(long from, long end) {
        try {
            return from < end ? readFrom(from, end) : List.of();
        } catch (CopyUnavailableException e) {
            throw e;
        } catch (RuntimeException e) {
            close();
            throw admin.failures().of(e);
        }
    }

    private List<Entry> readFrom(long from, long end) {
        Consumer<byte[], byte[]> opened = opened();
        if (opened.position(partition) != from) {
            opened.seek(partition, from);
        }
        long begunNanos = System.nanoTime();
        while (System.nanoTime() - begunNanos < admin.limit().toNanos()) {
            try {
                List<Entry> entries = new ArrayList<>();
                for (ConsumerRecord<byte[], byte[]> each : opened.poll(POLL).records(partition)) {
                    if (each.offset() < end) {
                        entries.add(new Entry(each.offset(), each.value() == null ? new byte[0] : each.value()));
                    }
                }
                if (!entries.isEmpty() || opened.position(partition) >= end) {
                    return entries;
                }
            } catch (OffsetOutOfRangeException e) {
                long begin = admin.begin();
                if (begin >= end) {
                    return List.of();
                }
                admin.sleep(POLL);
                opened.seek(partition, Math.max(from, begin));
            }
        }
        close(); // the next reader looks for the leader again
        throw admin.failures().of("the brokers do not have entry " + from + " of " + end);
    }

    private Consumer<byte[], byte[]> opened() {
        Consumer<byte[], byte[]> opened = consumer;
        if (opened == null) {
            opened = new KafkaConsumer<>(properties(), new ByteArrayDeserializer(), new ByteArrayDeserializer());
            consumer = opened;
            opened.assign(List.of(partition));
            opened.seek(partition, 0);
        }
        return opened;
    }

    private Map<String, Object> properties() {
        Map<String, Object> properties = TopicAdmin.clientProperties(settings, topic);
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none");
        properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
        properties.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_uncommitted"); // there are no transactions
        properties.put(ConsumerConfig.FETCH_MAX_BYTES_CONFIG, FETCH_BYTES);
        properties.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, FETCH_BYTES);
        properties.put(
                ConsumerConfig.REQUEST_TIMEOUT_MS_CONFIG, (int) admin.limit().toMillis());
        properties.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, (int)
                admin.limit().toMillis());
        return properties;
    }

    @Override
    public void close() {
        if (consumer != null) {
            consumer.close(CloseOptions.timeout(CLOSE));
            consumer = null;
        }
    }
}
