// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.copy.CopyTopic.CopyUnavailableException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;

/**
 * Writes entries to a topic, in order, with an idempotent producer that waits for all replicas in sync. The first entry
 * that fails ends its producer, so nothing that was sent after it is acknowledged; a later {@link #send} opens another
 * one. One thread sends; stages complete on a thread of Kafka's client.
 */
final class TopicProducer implements AutoCloseable {
    /**
     * The time after which an entry that was not acknowledged fails: a new leader is elected within ten seconds after a
     * broker has died.
     */
    static final Duration DELIVERY = Duration.ofSeconds(15);

    private static final Duration REQUEST = Duration.ofSeconds(5);

    /** The longest wait of {@link #send}, for a connection and the topic's leader. */
    private static final Duration CONNECT = Duration.ofSeconds(2);

    /** The time after a failure in which nothing is sent, so the caller finds the failure before it sends more. */
    private static final Duration PAUSE = Duration.ofMillis(500);

    private static final Duration CLOSE = Duration.ofSeconds(1);

    /** More than the entries of 8 MiB that {@code LogCopy} sends without an acknowledgement. */
    private static final long BUFFER_BYTES = 16L << 20;

    private static final int BATCH_BYTES = 64 << 10;

    /** A part of 512 KiB with its first line, and what Kafka adds. */
    static final int MAX_REQUEST_BYTES = 600 << 10;

    private final KafkaSettings settings;
    private final String topic;
    private final TopicAdmin admin;
    private final Duration delivery;
    private @Nullable Open open;
    private volatile @Nullable Failure failed;
    private volatile long acknowledgedEnd;

    private record Failure(CopyUnavailableException why, long nanos) {
        boolean isRecent() {
            return System.nanoTime() - nanos < PAUSE.toNanos();
        }
    }

    private static final class Open {
        private final Producer<byte[], byte[]> kafka;
        private volatile boolean isEnded;

        Open(Producer<byte[], byte[]> kafka) {
            this.kafka = kafka;
        }
    }

    /** @param delivery the time after which an entry that was not acknowledged fails */
    TopicProducer(KafkaSettings settings, String topic, TopicAdmin admin, Duration delivery) {
        this.settings = settings;
        this.topic = topic;
        this.admin = admin;
        this.delivery = delivery;
    }

    /** Returns the offset after the entry that was acknowledged last; 0 before the first one. */
    long acknowledgedEnd() {
        return acknowledgedEnd;
    }

    CompletionStage<Long> send(byte[] value) {
        CompletableFuture<Long> offset = new CompletableFuture<>();
        Failure last = failed;
        if (last != null && last.isRecent()) {
            offset.completeExceptionally(last.why());
            return offset;
        }
        try {
            send(opened(), value, offset);
        } catch (CopyUnavailableException e) {
            failed(e, offset);
        }
        return offset;
    }

    private Open opened() {
        Open known = open;
        if (known == null || known.isEnded) {
            admin.describe(); // fails if there is no topic: a producer may create one with settings of the brokers
            try {
                known = new Open(
                        new KafkaProducer<>(properties(), new ByteArraySerializer(), new ByteArraySerializer()));
            } catch (RuntimeException e) {
                throw admin.failures().of(e);
            }
            open = known;
        }
        return known;
    }

    private Map<String, Object> properties() {
        Map<String, Object> properties = TopicAdmin.clientProperties(settings, topic);
        properties.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        properties.put(ProducerConfig.ACKS_CONFIG, "all");
        properties.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "none");
        // a lone entry is sent at once; while five requests are under way, entries gather in batches
        properties.put(ProducerConfig.LINGER_MS_CONFIG, 0);
        properties.put(ProducerConfig.BATCH_SIZE_CONFIG, BATCH_BYTES);
        properties.put(ProducerConfig.BUFFER_MEMORY_CONFIG, BUFFER_BYTES);
        properties.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, MAX_REQUEST_BYTES);
        properties.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, CONNECT.toMillis());
        long requestMillis = Math.min(REQUEST.toMillis(), delivery.toMillis());
        properties.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, (int) requestMillis);
        properties.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, (int) delivery.toMillis());
        return properties;
    }

    private void send(Open to, byte[] value, CompletableFuture<Long> offset) {
        Thread caller = Thread.currentThread();
        try {
            to.kafka.send(new ProducerRecord<>(topic, 0, null, value), (metadata, failure) -> {
                if (failure == null && metadata.hasOffset() && !to.isEnded) {
                    acknowledgedEnd = metadata.offset() + 1;
                    offset.complete(metadata.offset());
                } else if (failure == null) {
                    end(to, admin.failures().of("an entry was acknowledged without its offset"), offset);
                } else if (failure instanceof TimeoutException && Thread.currentThread() == caller) {
                    failed(admin.failures().of(failure), offset); // the producer keeps looking for the leader
                } else if (failure instanceof TimeoutException && !to.isEnded) {
                    expired(to, failure, offset);
                } else {
                    end(to, admin.failures().of(failure), offset);
                }
            });
        } catch (RuntimeException e) { // such as a producer that a callback has closed
            end(to, admin.failures().of(e), offset);
        }
    }

    private void failed(CopyUnavailableException why, CompletableFuture<Long> offset) {
        failed = new Failure(why, System.nanoTime());
        offset.completeExceptionally(why);
    }

    /** Ends a producer; entries that are under way fail too, for the reason of the first one. */
    private void end(Open ended, CopyUnavailableException why, CompletableFuture<Long> offset) {
        Failure first = failed;
        if (ended.isEnded && first != null) {
            offset.completeExceptionally(first.why());
            return;
        }
        ended.isEnded = true;
        failed(why, offset);
        ended.kafka.close(Duration.ZERO);
    }

    /** Ends a producer after asking the brokers why they acknowledge nothing; until then, nothing is sent. */
    private void expired(Open ended, Exception failure, CompletableFuture<Long> offset) {
        ended.isEnded = true;
        failed = new Failure(
                admin.failures().of(failure),
                System.nanoTime() + 2 * admin.limit().toNanos());
        ended.kafka.close(Duration.ZERO);
        admin.whyNotAcknowledged(admin.failures().meaning(failure))
                .thenAccept(why -> failed(
                        admin.failures().of("no acknowledgement within " + delivery.toSeconds() + " s: " + why),
                        offset));
    }

    @Override
    public void close() {
        Open known = open;
        if (known != null && !known.isEnded) {
            known.kafka.close(CLOSE);
        }
    }
}
