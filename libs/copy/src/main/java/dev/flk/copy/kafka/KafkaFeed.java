// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.kafka.FeedPositions.Newest;
import dev.flk.copy.kafka.FeedPositions.Writer;
import dev.flk.feed.FeedEvent;
import dev.flk.feed.FeedFencedException;
import dev.flk.feed.FeedPosition;
import dev.flk.feed.FeedTopic;
import dev.flk.feed.FeedUnavailableException;
import dev.flk.program.health.Finding;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;

/**
 * A feed in two topics of Kafka, both created by the operator: one of events, and one of the positions of all logs that
 * share it, with {@code .positions} after the name. An event that was committed is on all brokers that are in sync, at
 * least two with the settings that {@link FeedCheck} requires.
 *
 * <p>The transactional id is {@code flk.feed.<topic>.<log's id>}, so the brokers fence an earlier producer of the log
 * when another one begins. They also fence a producer whose transaction was open for too long, such as the one of a
 * process that was paused; hence a fenced process reads who has committed last ({@link FeedPositions}), and only a
 * successor makes the failure final. Nothing about the feed is kept on the local disk.
 *
 * <p>{@link #open} commits a record of its own, and waits until that record is read as committed: then all earlier
 * transactions of the log are decided and read too, whichever broker answers. It commits the position that it finds
 * once more, as its own, so a process that opens the feed later knows its writer.
 *
 * <p>Each position has the {@link FeedEnds} of the events up to it, in the same transaction, so neither topic can lose
 * committed events without notice. If the topic of events lacks some, the feed goes back to the last position whose
 * events it still has, and if there is none, to the beginning. A position that was lost is replaced by an earlier one,
 * after which events are only repeated.
 *
 * <p>A log that is copied has owners with claims, whose terms grow. The brokers do not know them: a former owner of the
 * log, which was stopped before it opened the feed, would fence its successor. Hence the positions have the term. A
 * process with a claim ends itself when it finds a higher term: before it fences anybody, and again after its own
 * record, because a successor may have begun in between; that one is fenced, finds no successor of its own, and
 * continues. Without claims, the process that opens the feed last owns it.
 *
 * <p>The user needs these rights:
 *
 * <ul>
 *   <li>Describe, DescribeConfigs and Write on the topic of events;
 *   <li>Describe, DescribeConfigs, Read and Write on the topic of positions;
 *   <li>Describe and Write on the transactional ids that begin with {@code flk.feed.<topic>.}; without Describe, a
 *       transaction that blocks the feed is reported without its id;
 *   <li>IdempotentWrite on the cluster with brokers before 2.8.
 * </ul>
 */
public final class KafkaFeed implements FeedTopic {
    static final Duration CLOSE = Duration.ofSeconds(2);
    private static final Duration LINGER = Duration.ofMillis(0);

    /** The first wait of a transaction that begins while the brokers still note that the last one was committed. */
    private static final Duration RETRY = Duration.ofMillis(5);

    private static final Duration SETTINGS_EVERY = Duration.ofMinutes(1);
    /** The time after a commit before the topic is looked at, because brokers write markers later. */
    private static final Duration MARKED = Duration.ofSeconds(1);

    private static final String LOST = "the topic no longer has all events that it had acknowledged";

    private static final int BATCH_BYTES = 64 << 10;
    /** The memory for events that the brokers have not acknowledged; the copy has the same amount. */
    public static final int BUFFER_BYTES = 16 << 20;

    /** The largest message even if the topic accepts more: half of the buffer, which needs room while it is sent. */
    private static final int MAX_MESSAGE_BYTES = BUFFER_BYTES / 2;

    /** The key, the headers, and less than 200 bytes that Kafka adds to a batch of one record. */
    private static final int ALLOWANCE_BYTES = FeedEvent.MAX_HEAD_BYTES + 1024;

    /** The least value that a topic must accept: an event without the certificate's body, but with its counts. */
    private static final int MIN_VALUE_BYTES = 320 << 10;

    /** The least {@code max.message.bytes} of a topic of events. */
    static final int MIN_MESSAGE_BYTES = MIN_VALUE_BYTES + ALLOWANCE_BYTES;

    private final KafkaSettings settings;
    private final String topic;
    private final String logId;
    private final long claimTerm;
    private final Writer own;
    private final Limits limits;
    private final TopicAdmin admin;
    private final TopicAdmin positionsAdmin;
    private final FeedPositions positions;
    private final FeedContent content;
    private @Nullable Producer<byte[], byte[]> producer;
    /** Whether a position of this process was committed. */
    private boolean hasBegun;
    /** The term in the positions of this process. */
    private long term;

    private int maxMessageBytes;

    /** The ends of the committed events; null before the topic was opened. */
    private @Nullable FeedEnds ends;

    /** The sequence up to which this process has committed. */
    private long committed;

    private long lookedNanos;
    private long checkedNanos;
    private volatile @Nullable String weakness;

    /**
     * Bounds of time and size.
     *
     * @param call of a call that neither sends nor commits
     * @param block of sending, of committing, and of becoming the only writer
     * @param transaction the time after which the brokers abort a transaction; longer than sending and committing
     * @param window the number of offsets in which the position is looked for first
     * @param look the time between two checks of the topic
     */
    record Limits(Duration call, Duration block, Duration transaction, long window, Duration look) {
        static final Limits USUAL = new Limits(
                TopicAdmin.CALL, Duration.ofSeconds(15), Duration.ofSeconds(60), 1_000, Duration.ofSeconds(10));
    }

    /**
     * Creates a feed, without connecting to the brokers.
     *
     * @param topic the topic of events
     * @param logId the id of the log, 32 hex digits
     * @param claimTerm the term of the claim with which this process owns the log; 0 without a claim
     * @param instance an id of this process, of visible ASCII characters, which no earlier process had
     * @param host the name of this machine, for messages
     */
    public KafkaFeed(KafkaSettings settings, String topic, String logId, long claimTerm, String instance, String host) {
        this(settings, topic, logId, claimTerm, instance, host, Limits.USUAL);
    }

    KafkaFeed(
            KafkaSettings settings,
            String topic,
            String logId,
            long claimTerm,
            String instance,
            String host,
            Limits limits) {
        this.settings = settings;
        this.topic = topic;
        this.logId = logId;
        this.claimTerm = claimTerm;
        this.own = new Writer(instance, host);
        this.limits = limits;
        this.admin = new TopicAdmin(settings, topic, TopicRules.FEED, limits.call());
        this.positionsAdmin = new TopicAdmin(settings, positionsOf(topic), TopicRules.POSITIONS, limits.call());
        this.positions = new FeedPositions(settings, positionsOf(topic), positionsAdmin, logId, own, limits.window());
        this.content = new FeedContent(settings, topic, admin);
    }

    /** Returns the name of the topic of positions. */
    public static String positionsOf(String topic) {
        return topic + TopicRules.POSITIONS_SUFFIX;
    }

    static String transactionalId(String topic, String logId) {
        return "flk.feed." + topic + "." + logId;
    }

    /**
     * Returns the term with which the newest position was committed; 0 without a position. The feed need not be open.
     *
     * @throws FeedUnavailableException if the brokers can't be reached, lack the topic, or deny its use
     */
    public long committedTerm() {
        try {
            positionsAdmin.describe();
            return positions.known().term();
        } catch (RuntimeException e) {
            throw failed(e);
        } finally {
            closeAdmins();
        }
    }

    @Override
    public Opened open(FeedPosition start) {
        closeProducer();
        try {
            positionsAdmin
                    .describe(); // fails if there is no topic: a producer may create one with the brokers' settings
            maxMessageBytes = maxMessageBytes(admin);
            examine();
            requireOwner(positions.known()); // before a successor is fenced
            Producer<byte[], byte[]> opened =
                    new KafkaProducer<>(properties(), new ByteArraySerializer(), new ByteArraySerializer());
            producer = opened;
            opened.initTransactions();
            long mark = begin(opened);
            Newest newest = positions.upTo(mark);
            requireOwner(newest);
            term = Math.max(claimTerm, newest.term());
            Opened found = found(newest, mark, start);
            commit(List.of(), found.position()); // fails if another process has begun since the beginning
            hasBegun = true;
            return found;
        } catch (RuntimeException e) {
            throw failed(e);
        } finally {
            closeAdmins();
        }
    }

    /** Compares the newest position with the topic of events, and sets the ends of the position that is returned. */
    private Opened found(Newest newest, long mark, FeedPosition start) {
        FeedPosition last = newest.position().orElse(start);
        FeedEnds known = newest.ends().orElseGet(content::none);
        FeedEnds kept = content.kept(known);
        boolean hasAll = known.areWithin(kept);
        Newest found = hasAll ? newest : positions.upTo(mark, kept);
        ends = found.ends().orElseGet(content::none);
        long upTo = Math.max(committed, last.sequence());
        boolean isLost = !hasAll || (hasBegun && last.sequence() < committed);
        String what = hasAll ? "the topic " + positionsOf(topic) + " has lost the position of log " + logId : LOST;
        return new Opened(found.position().orElse(start), isLost ? new Loss(message(what), upTo) : null);
    }

    @Override
    public void check() {
        FeedEnds known = ends;
        long now = System.nanoTime();
        if (known == null || now - lookedNanos < limits.look().toNanos()) {
            return;
        }
        lookedNanos = now;
        try {
            ends = after(known, Map.of());
            if (now - checkedNanos > SETTINGS_EVERY.toNanos()) {
                examine();
            }
        } catch (RuntimeException e) {
            throw failed(e);
        }
    }

    private FeedEnds after(FeedEnds known, Map<Integer, Long> acknowledged) {
        return content.after(known, acknowledged).orElseThrow(() -> new FeedUnavailableException(message(LOST)));
    }

    /**
     * Examines the settings of both topics. The first time, the one of the positions must keep them: without a position,
     * everything would be fed once more.
     */
    private void examine() {
        Optional<String> ofPositions = weakness(positionsOf(topic), TopicRules.POSITIONS);
        if (ofPositions.isPresent() && !hasBegun) {
            throw new FeedUnavailableException(message(ofPositions.get()));
        }
        weakness = ofPositions.or(() -> weakness(topic, TopicRules.FEED)).orElse(null);
        checkedNanos = System.nanoTime();
    }

    private Optional<String> weakness(String of, TopicRules rules) {
        return new TopicCheck(settings, of, rules)
                .findings(false).stream()
                        .filter(each -> each.grade() == Finding.Grade.BAD)
                        .map(Finding::text)
                        .findFirst();
    }

    @Override
    public Optional<String> weakness() {
        return Optional.ofNullable(weakness);
    }

    /** Returns the largest message that is used of those that a topic of events accepts. */
    static int maxMessageBytes(TopicAdmin admin) {
        ConfigEntry entry = admin.configuration().get("max.message.bytes");
        int max = Math.min(Integer.parseInt(entry.value()), MAX_MESSAGE_BYTES);
        if (max < MIN_MESSAGE_BYTES) {
            throw new FeedUnavailableException(admin.failures()
                    .message("max.message.bytes=" + max + " is too small for events: "
                            + admin.commands().set("max.message.bytes", TopicRules.MAX_MESSAGE)));
        }
        return max;
    }

    private void requireOwner(Newest newest) {
        Optional<Writer> other =
                newest.owner().filter(writer -> !writer.instance().equals(own.instance()));
        boolean isClaimedSince = claimTerm > 0 && newest.term() > claimTerm;
        boolean isOpenedSince = hasBegun && newest.term() >= claimTerm;
        if (other.isPresent() && (isClaimedSince || isOpenedSince)) {
            throw new FeedFencedException(message("another process writes the events of log " + logId + ": instance "
                    + other.get().instance() + " on " + other.get().host()
                    + (isClaimedSince
                            ? ", by claim " + newest.term() + " of the log, which is later than claim " + claimTerm
                                    + " of this process; if that one has ended for good, restart this one"
                            : "; each log needs a backend of its own, so end one of them")));
        }
    }

    /** Commits a record of this process, and returns its offset. */
    private long begin(Producer<byte[], byte[]> to) {
        to.beginTransaction();
        Future<RecordMetadata> sent = to.send(positions.beginning());
        to.commitTransaction();
        try {
            return sent.get(0, TimeUnit.SECONDS).offset();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        } catch (ExecutionException | java.util.concurrent.TimeoutException e) {
            throw new IllegalStateException("a transaction was committed without its record", e);
        }
    }

    private Map<String, Object> properties() {
        Map<String, Object> properties = properties(settings, topic, maxMessageBytes, limits);
        properties.put(ProducerConfig.TRANSACTIONAL_ID_CONFIG, transactionalId(topic, logId));
        properties.put(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, (int)
                limits.transaction().toMillis());
        properties.put(ProducerConfig.LINGER_MS_CONFIG, LINGER.toMillis());
        properties.put(ProducerConfig.RETRY_BACKOFF_MS_CONFIG, RETRY.toMillis());
        return properties;
    }

    /** Returns the settings of a producer of events. */
    static Map<String, Object> properties(KafkaSettings settings, String topic, int maxMessageBytes, Limits limits) {
        Map<String, Object> properties = TopicAdmin.clientProperties(settings, topic);
        properties.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        properties.put(ProducerConfig.ACKS_CONFIG, "all");
        properties.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "none");
        properties.put(ProducerConfig.BATCH_SIZE_CONFIG, Math.min(BATCH_BYTES, maxMessageBytes));
        properties.put(ProducerConfig.BUFFER_MEMORY_CONFIG, (long) BUFFER_BYTES);
        properties.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, maxMessageBytes);
        properties.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, limits.block().toMillis());
        long requestMillis = limits.block().toMillis() / 2;
        properties.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, (int) requestMillis);
        properties.put(
                ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, (int) limits.block().toMillis());
        return properties;
    }

    @Override
    public void commit(List<FeedEvent> events, FeedPosition position) {
        Producer<byte[], byte[]> open = producer;
        FeedEnds known = ends;
        if (open == null || known == null) {
            throw new IllegalStateException("the feed is not open");
        }
        requireValid(events, position);
        try {
            long begunNanos = System.nanoTime();
            open.beginTransaction();
            Map<Integer, Long> acknowledged = new ConcurrentHashMap<>();
            AtomicReference<@Nullable Exception> first = new AtomicReference<>();
            for (FeedEvent each : events) {
                Future<RecordMetadata> unused = open.send(record(topic, each), (written, failure) -> {
                    if (failure == null) {
                        acknowledged.merge(written.partition(), written.offset(), Math::max);
                    } else {
                        first.compareAndSet(null, failure);
                    }
                });
                if (System.nanoTime() - begunNanos > limits.block().toNanos()) {
                    throw new TimeoutException("the events were not sent in time");
                }
            }
            open.flush();
            if (first.get() instanceof RuntimeException failure) {
                throw failure;
            }
            FeedEnds reached = acknowledged.isEmpty() ? known : after(known, acknowledged);
            Future<RecordMetadata> unused = open.send(positions.position(position, term, reached));
            open.commitTransaction();
            ends = reached;
            lookedNanos = Math.max(
                    lookedNanos, System.nanoTime() + MARKED.minus(limits.look()).toNanos());
            committed = position.sequence();
        } catch (RuntimeException e) {
            throw failed(e);
        }
    }

    private void requireValid(List<FeedEvent> events, FeedPosition position) {
        if (!position.logId().equals(logId)) {
            throw new IllegalArgumentException("a position of log " + position.logId() + ", not of " + logId);
        }
        int max = maxValueBytes();
        for (FeedEvent each : events) {
            if (each.value().length > max) {
                throw new IllegalArgumentException(
                        "event " + each.key() + " has " + each.value().length + " bytes, more than " + max);
            }
        }
    }

    static ProducerRecord<byte[], byte[]> record(String topic, FeedEvent event) {
        ProducerRecord<byte[], byte[]> entry = new ProducerRecord<>(topic, utf8(event.key()), event.value());
        event.headers().forEach((name, value) -> entry.headers().add(name, utf8(value)));
        return entry;
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Ends the producer, which aborts its transaction if the brokers answer; otherwise the next one does. */
    private RuntimeException failed(RuntimeException failure) {
        closeProducer();
        if (failure instanceof FeedFencedException || failure instanceof FeedUnavailableException) {
            return failure;
        }
        if (failure instanceof CopyUnavailableException) {
            return new FeedUnavailableException(String.valueOf(failure.getMessage()), failure);
        }
        try {
            return isFenced(failure) ? fenced(failure) : unavailable(failure);
        } finally {
            closeAdmins();
        }
    }

    private static boolean isFenced(Throwable failure) {
        for (Throwable each = failure; each != null && each != each.getCause(); each = each.getCause()) {
            if (each instanceof ProducerFencedException || each instanceof InvalidProducerEpochException) {
                return true;
            }
        }
        return false;
    }

    private RuntimeException fenced(RuntimeException failure) {
        try {
            requireOwner(positions.known());
        } catch (FeedFencedException e) {
            return e;
        } catch (RuntimeException notKnown) {
            failure.addSuppressed(notKnown); // open() finds out
        }
        return new FeedUnavailableException(
                message("the brokers have ended this process's transaction: it was open for more than "
                        + limits.transaction().toSeconds() + " s, or another process has just opened the feed of log "
                        + logId),
                failure);
    }

    private FeedUnavailableException unavailable(RuntimeException failure) {
        String meaning = admin.failures().meaning(failure);
        return new FeedUnavailableException(message(isLate(failure) ? whyLate(meaning) : meaning), failure);
    }

    private static boolean isLate(Throwable failure) {
        return failure instanceof TimeoutException || failure.getCause() instanceof TimeoutException;
    }

    private String whyLate(String meaning) {
        String late = "no answer within " + limits.block().toSeconds() + " s: ";
        for (TopicAdmin each : List.of(positionsAdmin, admin)) {
            try {
                String why = each.whyNotAcknowledged(meaning)
                        .toCompletableFuture()
                        .get(limits.call().toMillis(), TimeUnit.MILLISECONDS);
                if (!why.equals(meaning)) {
                    return late + why;
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return meaning;
            } catch (ExecutionException | java.util.concurrent.TimeoutException e) {
                return meaning;
            }
        }
        return late
                + "check that the brokers run, and that as many do as their transaction.state.log.replication.factor"
                + " says (3 unless it is set)";
    }

    @Override
    public int maxValueBytes() {
        if (maxMessageBytes == 0) {
            throw new IllegalStateException("the feed was never opened");
        }
        return maxValueBytes(maxMessageBytes);
    }

    static int maxValueBytes(int maxMessageBytes) {
        return maxMessageBytes - ALLOWANCE_BYTES;
    }

    @Override
    public String message(String what) {
        return admin.failures().message(what);
    }

    private void closeProducer() {
        Producer<byte[], byte[]> open = producer;
        producer = null;
        if (open != null) {
            try {
                open.close(CLOSE);
            } catch (InterruptException e) {
                Thread.currentThread().interrupt(); // its threads end by themselves
            }
        }
    }

    private void closeAdmins() {
        admin.close();
        positionsAdmin.close();
    }

    @Override
    public void close() {
        closeProducer();
        closeAdmins();
    }
}
