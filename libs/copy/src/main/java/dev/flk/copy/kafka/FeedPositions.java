// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.copy.kafka.TopicAdmin.OpenTransaction;
import dev.flk.feed.FeedPosition;
import dev.flk.feed.FeedUnavailableException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.jspecify.annotations.Nullable;

/**
 * The records of one log in the topic of positions, in its first partition. All are written in transactions, and have
 * the writer as a header; positions also have the {@link FeedEnds} of the events up to them.
 *
 * <table>
 * <caption>Records</caption>
 * <tr><th>key</th><th>value</th><th>meaning</th></tr>
 * <tr><td>the log's id</td><td>{@code flk-feed2 <term> <sequence> <digest> -}</td><td>the position after the events of
 * the same transaction (an earlier version wrote a position of reviews last); a record without a value removes it: the
 * log is fed from its beginning. The term comes from the claim with which the writer owns the log. A writer without a
 * claim repeats the term of the position before, 0 at first</td></tr>
 * <tr><td>{@code <log's id>.open}</td><td>{@code flk-feed2}</td><td>a process begins: what is committed before this
 * record is final</td></tr>
 * </table>
 *
 * <p>The writer of the newest position owns the log's events, so each writer commits a position before its first event.
 * One thread.
 */
final class FeedPositions {
    private static final String VERSION = "flk-feed2";
    private static final String WRITER = "writer";
    private static final String ENDS = "ends";
    private static final Pattern POSITION =
            Pattern.compile(VERSION + " ([0-9]{1,18}) ([0-9]{1,18}) ([!-~]{1,128}) [!-~]{1,128}");
    private static final Duration POLL = Duration.ofMillis(100);
    private static final Duration CLOSE = Duration.ofSeconds(1);
    private static final int FETCH_BYTES = 1 << 20;

    /** The factor by which each further window is larger. */
    private static final int GROWTH = 10;

    private final KafkaSettings settings;
    private final TopicAdmin admin;
    private final TopicPartition partition;
    private final String logId;
    private final Writer own;
    private final long firstWindow;

    /** A process that writes events. */
    record Writer(String instance, String host) {
        @Override
        public String toString() {
            return instance + " " + host;
        }

        static Optional<Writer> parse(String text) {
            int space = text.indexOf(' ');
            return space < 0
                    ? Optional.empty()
                    : Optional.of(new Writer(text.substring(0, space), text.substring(space + 1)));
        }
    }

    /**
     * The newest position of the log.
     *
     * @param owner the process that has committed it, which owns the log's events
     * @param term the term that was committed with it; 0 without a position
     * @param ends the ends of the events up to it; empty if an earlier version committed it
     */
    record Newest(Optional<FeedPosition> position, Optional<Writer> owner, long term, Optional<FeedEnds> ends) {
        private static final Newest NONE = new Newest(Optional.empty(), Optional.empty(), 0, Optional.empty());
    }

    /**
     * @param topic the topic of positions
     * @param own this process
     * @param firstWindow the number of offsets that are read first
     */
    FeedPositions(KafkaSettings settings, String topic, TopicAdmin admin, String logId, Writer own, long firstWindow) {
        this.settings = settings;
        this.admin = admin;
        this.partition = new TopicPartition(topic, 0);
        this.logId = logId;
        this.own = own;
        this.firstWindow = firstWindow;
    }

    /** Returns the record of a position. */
    ProducerRecord<byte[], byte[]> position(FeedPosition position, long term, FeedEnds ends) {
        ProducerRecord<byte[], byte[]> entry =
                record(logId, VERSION + " " + term + " " + position.sequence() + " " + position.digest() + " -");
        entry.headers().add(ENDS, utf8(ends.text()));
        return entry;
    }

    /** Returns the record of a beginning. */
    ProducerRecord<byte[], byte[]> beginning() {
        return record(logId + ".open", VERSION);
    }

    private ProducerRecord<byte[], byte[]> record(String key, String value) {
        ProducerRecord<byte[], byte[]> entry =
                new ProducerRecord<>(partition.topic(), partition.partition(), utf8(key), utf8(value));
        entry.headers().add(WRITER, utf8(own.toString()));
        return entry;
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte @Nullable [] utf8) {
        return utf8 == null ? "" : new String(utf8, StandardCharsets.UTF_8);
    }

    /**
     * Returns what is committed up to an offset. Waits until everything before it is committed or aborted, in all logs.
     *
     * @param mark the offset of a record that this process committed: a broker that does not know it yet is asked again
     */
    Newest upTo(long mark) {
        return upTo(mark, any -> true);
    }

    /**
     * Returns the newest position up to an offset whose ends the topic of events still has. There is none if compaction
     * has removed them, or before a record that removes the position.
     */
    Newest upTo(long mark, FeedEnds kept) {
        return upTo(
                mark,
                entry -> entry.value() == null
                        || ends(entry).filter(each -> each.areWithin(kept)).isPresent());
    }

    private Newest upTo(long mark, Predicate<ConsumerRecord<byte[], byte[]>> wanted) {
        Consumer<byte[], byte[]> consumer = consumer();
        try {
            return newest(consumer, mark + 1, wanted);
        } finally {
            consumer.close(CloseOptions.timeout(CLOSE));
        }
    }

    /** Returns what is committed, as far as the broker that is asked knows. */
    Newest known() {
        Consumer<byte[], byte[]> consumer = consumer();
        try {
            return newest(consumer, consumer.endOffsets(List.of(partition)).getOrDefault(partition, 0L), any -> true);
        } finally {
            consumer.close(CloseOptions.timeout(CLOSE));
        }
    }

    /** Reads backwards in growing windows, because the newest position of a log that is alive is near the end. */
    private Newest newest(
            Consumer<byte[], byte[]> consumer, long end, Predicate<ConsumerRecord<byte[], byte[]>> wanted) {
        long begin = consumer.beginningOffsets(List.of(partition)).getOrDefault(partition, 0L);
        long to = end;
        for (long window = firstWindow; to > begin; window *= GROWTH) {
            long from = Math.max(begin, to - window);
            ConsumerRecord<byte[], byte[]> found = read(consumer, from, to, wanted);
            if (found != null) {
                return newest(found);
            }
            to = from;
        }
        return Newest.NONE;
    }

    private Newest newest(ConsumerRecord<byte[], byte[]> position) {
        if (position.value() == null) {
            return new Newest(Optional.empty(), writer(position), 0, Optional.empty());
        }
        Matcher matched = POSITION.matcher(text(position.value()));
        if (!matched.matches()) {
            throw new FeedUnavailableException(admin.failures()
                    .message("the position of log " + logId + " at offset " + position.offset()
                            + " was not written by this version of the backend: " + text(position.value())
                            + "; name another FEED_TOPIC"));
        }
        return new Newest(
                Optional.of(new FeedPosition(logId, Long.parseLong(matched.group(2)), matched.group(3))),
                writer(position),
                Long.parseLong(matched.group(1)),
                ends(position));
    }

    private static Optional<Writer> writer(ConsumerRecord<byte[], byte[]> entry) {
        return header(entry, WRITER).flatMap(Writer::parse);
    }

    private static Optional<FeedEnds> ends(ConsumerRecord<byte[], byte[]> entry) {
        return header(entry, ENDS).flatMap(FeedEnds::parse);
    }

    private static Optional<String> header(ConsumerRecord<byte[], byte[]> entry, String name) {
        return Optional.ofNullable(entry.headers().lastHeader(name))
                .map(Header::value)
                .map(FeedPositions::text);
    }

    /** Returns the newest wanted position in a window; null if it has none. */
    private @Nullable ConsumerRecord<byte[], byte[]> read(
            Consumer<byte[], byte[]> consumer, long from, long to, Predicate<ConsumerRecord<byte[], byte[]>> wanted) {
        @Nullable ConsumerRecord<byte[], byte[]> found = null;
        consumer.seek(partition, from);
        long reached = from;
        long sinceNanos = System.nanoTime();
        while (reached < to) {
            for (ConsumerRecord<byte[], byte[]> each : consumer.poll(POLL).records(partition)) {
                if (each.offset() < to && text(each.key()).equals(logId) && wanted.test(each)) {
                    found = each;
                }
            }
            long now = consumer.position(partition);
            if (now != reached) {
                reached = now;
                sinceNanos = System.nanoTime();
            } else if (System.nanoTime() - sinceNanos > admin.limit().toNanos()) {
                throw stuck(reached, to);
            }
        }
        return found;
    }

    /** Finds out why what was committed can't be read, which is also true for the consumers of the feed. */
    private FeedUnavailableException stuck(long reached, long to) {
        Optional<OpenTransaction> open = admin.oldestTransaction();
        return new FeedUnavailableException(admin.failures()
                .message(open.map(each -> "a transaction" + (each.id().isEmpty() ? "" : " of " + each.id())
                                + " is open from offset " + each.startOffset() + " on, last written at "
                                + each.lastWrite() + "; it ends when its backend commits, or a minute after that has"
                                + " died; end a transaction that remains: "
                                + admin.commands().abort(each.startOffset()))
                        .orElse("the brokers do not have entry " + reached + " of " + to)));
    }

    private Consumer<byte[], byte[]> consumer() {
        // the beginning may be removed meanwhile
        Consumer<byte[], byte[]> consumer = consumer(settings, partition.topic(), admin, "earliest");
        consumer.assign(List.of(partition));
        return consumer;
    }

    /** Returns a consumer of committed records, without a group. */
    static Consumer<byte[], byte[]> consumer(KafkaSettings settings, String topic, TopicAdmin admin, String reset) {
        Map<String, Object> properties = new HashMap<>(TopicAdmin.clientProperties(settings, topic));
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, reset);
        properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
        properties.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        properties.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, FETCH_BYTES);
        properties.put(
                ConsumerConfig.REQUEST_TIMEOUT_MS_CONFIG, (int) admin.limit().toMillis());
        properties.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, (int)
                admin.limit().toMillis());
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }
}
