// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.copy.kafka.KafkaFeed.Limits;
import dev.flk.feed.FeedEvent;
import dev.flk.feed.FeedFencedException;
import dev.flk.feed.FeedPosition;
import dev.flk.feed.FeedTopic.Opened;
import dev.flk.feed.FeedUnavailableException;
import dev.flk.program.config.Settings;
import dev.flk.program.health.Finding;
import dev.flk.program.health.Finding.Grade;
import dev.flk.testkit.KafkaCluster;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.api.parallel.ResourceAccessMode;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.api.parallel.ResourceLockTarget;

/** Tests of a feed on three brokers that run in this JVM. */
@Execution(ExecutionMode.CONCURRENT)
@ResourceLock(value = KafkaFeedTest.BROKERS, mode = ResourceAccessMode.READ, target = ResourceLockTarget.CHILDREN)
class KafkaFeedTest {
    static final String BROKERS = "brokers";
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Limits LIMITS =
            new Limits(Duration.ofSeconds(2), Duration.ofSeconds(4), Duration.ofSeconds(20), 8, Duration.ZERO);
    private static final int PARTITIONS = 3;
    private static final int ROUNDS = Integer.getInteger("flk.each", 3) == 1 ? 8 : 2;
    private static final String LOG = "0123456789abcdef0123456789abcdef";
    private static final String OTHER_LOG = "fedcba9876543210fedcba9876543210";
    private static final KafkaCluster CLUSTER = KafkaCluster.shared();

    private final KafkaSettings settings = settings(CLUSTER.configuration());
    private final List<KafkaFeed> opened = new ArrayList<>();
    private String topic;
    private KafkaFeed feed;

    @BeforeEach
    void open(TestInfo test) {
        topic = test.getTestMethod().orElseThrow().getName().replaceAll("[^a-zA-Z]", "-");
        feed = feed(LOG, "one");
    }

    @AfterEach
    void close() {
        opened.forEach(KafkaFeed::close);
    }

    private KafkaFeed feed(String logId, String instance) {
        return feed(logId, 0, instance);
    }

    private KafkaFeed feed(String logId, long claimTerm, String instance) {
        KafkaFeed made = new KafkaFeed(settings, topic, logId, claimTerm, instance, "host-" + instance, LIMITS);
        opened.add(made);
        return made;
    }

    private static FeedPosition start(String logId) {
        return new FeedPosition(logId, 0, "-");
    }

    private static FeedPosition open(KafkaFeed of) {
        return open(of, LOG);
    }

    private static FeedPosition open(KafkaFeed of, String logId) {
        Opened opened = of.open(start(logId));
        assertThat(opened.loss()).isNull();
        return opened.position();
    }

    private Opened awaitLoss(KafkaFeed of) {
        return await().atMost(PATIENCE)
                .ignoreException(FeedUnavailableException.class)
                .until(() -> of.open(start(LOG)), each -> each.loss() != null);
    }

    private static KafkaSettings settings(Map<String, String> values) {
        Settings settings = new Settings(KafkaSettings.KEYS, values, null);
        KafkaSettings read = KafkaSettings.read(settings, "FEED_TOPIC");
        settings.check();
        return read;
    }

    private void create() throws Exception {
        create(topic, PARTITIONS, TopicRules.FEED.configuration());
        create(KafkaFeed.positionsOf(topic), 1, TopicRules.POSITIONS.configuration());
    }

    private static void create(String name, int partitions, Map<String, String> configuration) throws Exception {
        try (Admin admin = CLUSTER.admin()) {
            admin.createTopics(List.of(new NewTopic(name, partitions, (short) 3).configs(configuration)))
                    .all()
                    .get();
        }
        CLUSTER.awaitTopic(name);
    }

    private static FeedEvent event(String key, String value) {
        return new FeedEvent(key, value.getBytes(StandardCharsets.UTF_8), Map.of());
    }

    private static FeedPosition position(String logId, long sequence) {
        return new FeedPosition(logId, sequence, "digest-" + sequence);
    }

    private static FeedPosition position(long sequence) {
        return position(LOG, sequence);
    }

    private Map<String, Object> client() {
        return new HashMap<>(TopicAdmin.clientProperties(settings, topic));
    }

    /** Returns what a consumer of committed events sees, in the order of each partition. */
    private List<ConsumerRecord<byte[], byte[]>> committed() {
        Map<String, Object> properties = client();
        properties.put("isolation.level", "read_committed");
        List<ConsumerRecord<byte[], byte[]>> read = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> all = IntStream.range(0, PARTITIONS)
                    .mapToObj(partition -> new TopicPartition(topic, partition))
                    .toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            properties.put("isolation.level", "read_uncommitted");
            Map<TopicPartition, Long> ends;
            try (KafkaConsumer<byte[], byte[]> other =
                    new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                ends = other.endOffsets(all);
            }
            await().atMost(PATIENCE).pollInterval(Duration.ofMillis(1)).until(() -> {
                consumer.poll(Duration.ofMillis(50)).forEach(read::add);
                return all.stream().allMatch(each -> consumer.position(each) >= ends.get(each));
            });
        }
        return read;
    }

    private static String text(byte[] utf8) {
        return new String(utf8, StandardCharsets.UTF_8);
    }

    private List<String> committedValues() {
        return committed().stream().map(each -> text(each.value())).sorted().toList();
    }

    /** Returns a producer of a log with an open transaction that has an event and a position. */
    private KafkaProducer<byte[], byte[]> dying(String logId) {
        return dying(logId, "flk-feed2 0 99 lost -");
    }

    private KafkaProducer<byte[], byte[]> dying(String logId, String position) {
        Map<String, Object> properties = client();
        properties.put("transactional.id", KafkaFeed.transactionalId(topic, logId));
        properties.put("linger.ms", 0);
        KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, "key".getBytes(StandardCharsets.UTF_8), new byte[] {'x'}));
        ProducerRecord<byte[], byte[]> entry = new ProducerRecord<>(
                KafkaFeed.positionsOf(topic),
                0,
                logId.getBytes(StandardCharsets.UTF_8),
                position.getBytes(StandardCharsets.UTF_8));
        entry.headers().add("writer", "other host-other".getBytes(StandardCharsets.UTF_8));
        producer.send(entry);
        producer.flush();
        return producer;
    }

    @Test
    void events_areReadOnce_inTheOrderOfTheirKey_andThePositionIsTheLastOne() throws Exception {
        create();
        assertThat(open(feed)).as("no position at first").isEqualTo(start(LOG));
        Map<String, String> headers = new LinkedHashMap<>(Map.of("verdict", "accepted"));
        headers.put("shard", "Zürich");
        for (int i = 0; i < 30; i++) {
            List<FeedEvent> events = new ArrayList<>();
            for (int key = 0; key < 5; key++) {
                events.add(new FeedEvent("key-" + key, (key + ":" + i).getBytes(StandardCharsets.UTF_8), headers));
            }
            feed.commit(events, position(i));
        }
        feed.commit(List.of(), position(100));

        List<ConsumerRecord<byte[], byte[]>> read = committed();
        assertThat(read).hasSize(150);
        for (int key = 0; key < 5; key++) {
            String prefix = key + ":";
            List<ConsumerRecord<byte[], byte[]>> own = read.stream()
                    .filter(each -> text(each.value()).startsWith(prefix))
                    .toList();
            assertThat(own)
                    .extracting(ConsumerRecord::partition)
                    .containsOnly(own.get(0).partition());
            assertThat(own)
                    .extracting(each -> text(each.value()))
                    .containsExactlyElementsOf(
                            IntStream.range(0, 30).mapToObj(i -> prefix + i).toList());
        }
        assertThat(read).extracting(ConsumerRecord::partition).contains(0, 1, 2);
        assertThat(text(read.get(0).headers().lastHeader("shard").value())).isEqualTo("Zürich");
        assertThat(open(feed)).isEqualTo(position(100));
        assertThat(open(feed(LOG, "two"))).isEqualTo(position(100));
    }

    @Test
    void transactionOfAProcessThatDied_isNotRead_andEndsWhenTheNextOneOpens() throws Exception {
        create();
        open(feed);
        feed.commit(List.of(event("key", "a")), position(1));
        feed.close();
        try (KafkaProducer<byte[], byte[]> dead = dying(LOG)) {
            KafkaFeed next = feed(LOG, "two");

            assertThat(open(next)).isEqualTo(position(1));
            next.commit(List.of(event("key", "b")), position(2));

            assertThat(committedValues()).containsExactly("a", "b");
            assertThatThrownBy(dead::commitTransaction).isNotNull();
            dead.close(Duration.ZERO);
        }
        assertThat(committedValues()).containsExactly("a", "b");
    }

    @Test
    void secondWriter_fencesTheFirstOne_forGood() throws Exception {
        create();
        open(feed);
        feed.commit(List.of(event("key", "a")), position(1));
        KafkaFeed second = feed(LOG, "two");

        assertThat(open(second)).isEqualTo(position(1));
        assertThatThrownBy(() -> feed.commit(List.of(event("key", "lost")), position(2)))
                .isInstanceOf(FeedFencedException.class)
                .hasMessageContaining("Kafka at " + CLUSTER.addresses() + ", topic " + topic)
                .hasMessageContaining("another process writes the events of log " + LOG + ": instance two on host-two");
        assertThatThrownBy(() -> open(feed)).isInstanceOf(FeedFencedException.class);
        assertThatThrownBy(() -> feed.commit(List.of(), position(2))).isInstanceOf(IllegalStateException.class);
        second.commit(List.of(event("key", "b")), position(5));
        assertThatThrownBy(() -> open(feed)).isInstanceOf(FeedFencedException.class);
        second.commit(List.of(), position(6));

        assertThat(committedValues()).containsExactly("a", "b");
        assertThat(open(second)).as("the owner may open it again").isEqualTo(position(6));
    }

    /** Tests an owner of the log that was stopped before its feed began, and continues after its successor has begun. */
    @Test
    void ownerWithAnEarlierClaim_endsItself_andItsSuccessorContinues() throws Exception {
        create();
        KafkaFeed earlier = feed(LOG, 4, "earlier");
        KafkaFeed later = feed(LOG, 5, "later");
        open(later);
        later.commit(List.of(event("key", "a")), position(1));

        assertThatThrownBy(() -> open(earlier))
                .isInstanceOf(FeedFencedException.class)
                .hasMessageContaining(
                        "instance later on host-later, by claim 5 of the log, which is later than claim 4");

        later.commit(List.of(event("key", "b")), position(2));
        assertThat(committedValues()).containsExactly("a", "b");
        assertThat(later.committedTerm()).isEqualTo(5);
        KafkaFeed next = feed(LOG, 6, "next");
        assertThat(open(next)).isEqualTo(position(2));
        assertThat(next.committedTerm()).as("although it has fed nothing").isEqualTo(6);
        assertThatThrownBy(() -> later.commit(List.of(), position(3))).isInstanceOf(FeedFencedException.class);
    }

    /** Tests a successor whose position can't be read before the earlier owner has fenced it. */
    @Test
    void ownerWithAnEarlierClaim_readsTheSuccessorsPositionOnlyAfterItsOwnBeginning_endsItself() throws Exception {
        create();
        KafkaFeed earlier = feed(LOG, 4, "earlier");
        ExecutorService owner = Executors.newSingleThreadExecutor();
        try (KafkaProducer<byte[], byte[]> hiding = dying(OTHER_LOG);
                KafkaProducer<byte[], byte[]> later = dying(LOG, "flk-feed2 5 7 digest-7 r-7")) {
            later.commitTransaction();
            long end = positionsEnd();
            Future<FeedPosition> opened = owner.submit(() -> open(earlier));
            await().atMost(PATIENCE).until(() -> positionsEnd() > end);
            hiding.commitTransaction();

            assertThatThrownBy(opened::get).hasCauseInstanceOf(FeedFencedException.class);
        } finally {
            owner.shutdownNow();
        }
        assertThat(open(feed(LOG, 5, "later"))).as("nothing was committed").isEqualTo(position(7));
    }

    /** Returns the offset after the last record in the topic of positions, committed or not. */
    private long positionsEnd() {
        TopicPartition positions = new TopicPartition(KafkaFeed.positionsOf(topic), 0);
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(client(), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            return consumer.endOffsets(List.of(positions)).get(positions);
        }
    }

    @Test
    void withoutAClaim_lastToOpenWins_andKeepsTheTermForTheNextClaim() throws Exception {
        create();
        KafkaFeed claimed = feed(LOG, 5, "claimed");
        open(claimed);

        assertThat(open(feed)).isEqualTo(start(LOG));
        feed.commit(List.of(), position(1));

        assertThat(feed.committedTerm()).isEqualTo(5);
        assertThatThrownBy(() -> claimed.commit(List.of(), position(1))).isInstanceOf(FeedFencedException.class);
        assertThatThrownBy(() -> open(claimed)).isInstanceOf(FeedFencedException.class);
    }

    /** Both fence each other until the one with the later claim has a position. */
    @Test
    void twoOwnersOpenAtTheSameTime_oneWithTheLaterClaimContinues_andNothingIsFedTwice() throws Exception {
        create();
        ExecutorService owners = Executors.newSingleThreadExecutor();
        try {
            for (int round = 0; round < ROUNDS; round++) {
                String logId = "%032x".formatted(round);
                KafkaFeed later = feed(logId, 2, "later");
                KafkaFeed earlier = feed(logId, 1, "earlier");
                Future<Boolean> ended = owners.submit(() -> follow(earlier, logId, Long.MAX_VALUE));

                assertThat(follow(later, logId, 20))
                        .as("the later owner continues")
                        .isTrue();
                assertThat(ended.get()).as("the earlier owner ends itself").isFalse();
                later.commit(List.of(), position(logId, Long.MAX_VALUE / 100));
                assertThat(later.committedTerm()).isEqualTo(2);
            }
        } finally {
            owners.shutdownNow();
        }
        assertThat(committedValues()).doesNotHaveDuplicates();
    }

    /** Feeds one event for each sequence, as a follower of the log does; returns false if it was fenced for good. */
    private static boolean follow(KafkaFeed of, String logId, long commits) {
        FeedPosition at = null;
        for (long left = commits; left > 0; ) {
            try {
                at = at == null ? open(of, logId) : at;
                FeedPosition next = position(logId, at.sequence() + 1);
                of.commit(List.of(event("key", logId + " " + next.sequence())), next);
                at = next;
                left--;
            } catch (FeedUnavailableException e) {
                at = null;
            } catch (FeedFencedException e) {
                return false;
            }
        }
        return true;
    }

    /** Tests a process that was paused for so long that the brokers aborted its transaction, which fences it too. */
    @Test
    void writerThatWasFencedByNoSuccessor_continues() throws Exception {
        create();
        open(feed);
        feed.commit(List.of(event("key", "a")), position(1));
        dying(LOG).close();

        assertThatThrownBy(() -> feed.commit(List.of(event("key", "lost")), position(2)))
                .isInstanceOf(FeedUnavailableException.class)
                .hasMessageContaining("the brokers have ended this process's transaction");
        assertThat(open(feed)).isEqualTo(position(1));
        feed.commit(List.of(event("key", "b")), position(2));

        assertThat(committedValues()).containsExactly("a", "b");
    }

    /** Tests that the successor survives a predecessor that fences it before it could find out about it. */
    @Test
    void successorThatWasFencedByItsPredecessor_continues() throws Exception {
        create();
        open(feed);
        KafkaFeed second = feed(LOG, "two");
        open(second);
        dying(LOG).close(); // as the predecessor's open() does

        assertThatThrownBy(() -> second.commit(List.of(), position(1))).isInstanceOf(FeedUnavailableException.class);
        assertThat(open(second)).isEqualTo(start(LOG));
        second.commit(List.of(), position(1));
        assertThatThrownBy(() -> open(feed)).isInstanceOf(FeedFencedException.class);
    }

    @Test
    void position_isFoundBehindThoseOfOtherLogs() throws Exception {
        create();
        open(feed);
        feed.commit(List.of(), position(7));
        KafkaFeed other = feed(OTHER_LOG, "other");
        assertThat(open(other, OTHER_LOG)).isEqualTo(start(OTHER_LOG));
        for (int i = 0; i < 40; i++) {
            other.commit(List.of(), position(OTHER_LOG, i));
        }

        assertThat(open(feed(LOG, "two"))).isEqualTo(position(7));
        assertThat(open(other, OTHER_LOG)).isEqualTo(position(OTHER_LOG, 39));
        String third = "00000000000000000000000000000000";
        assertThat(open(feed(third, "three"), third)).isEqualTo(start(third));
    }

    @Test
    void openTransactionOfAnotherLog_isAwaited_andNamed() throws Exception {
        create();
        try (KafkaProducer<byte[], byte[]> other = dying(OTHER_LOG)) {
            assertThatThrownBy(() -> open(feed))
                    .isInstanceOf(FeedUnavailableException.class)
                    .hasMessageContaining("a transaction of flk.feed." + topic + "." + OTHER_LOG
                            + " is open from offset 0 on, last written at ")
                    .hasMessageContaining("kafka-transactions.sh --bootstrap-server " + CLUSTER.addresses()
                            + " --command-config client.properties abort --topic " + topic
                            + ".positions --partition 0 --start-offset 0");

            other.commitTransaction();
        }
        assertThat(open(feed)).isEqualTo(start(LOG));
        assertThat(open(feed(OTHER_LOG, "other"), OTHER_LOG)).isEqualTo(new FeedPosition(OTHER_LOG, 99, "lost"));
    }

    @Test
    void largestValue_isCommitted_andALargerOneIsRefused() throws Exception {
        create();
        setMaxMessageBytes(1_048_588);
        assertThatThrownBy(feed::maxValueBytes).isInstanceOf(IllegalStateException.class);
        open(feed);
        assertThat(feed.maxValueBytes()).isBetween(1_000_000, 1_048_588);
        FeedEvent largest = largest(feed.maxValueBytes());
        feed.commit(List.of(event("key", "small"), largest, event("key", "small"), largest), position(1));
        assertThatThrownBy(() -> feed.commit(List.of(largest(feed.maxValueBytes() + 1)), position(2)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("more than " + feed.maxValueBytes());
        feed.commit(List.of(), position(2));

        setMaxMessageBytes(400_000);

        assertThatThrownBy(() -> feed.commit(List.of(largest), position(3)))
                .isInstanceOf(FeedUnavailableException.class)
                .hasMessageContaining("an entry is larger than the topic accepts");
        assertThat(open(feed)).isEqualTo(position(2));
        assertThat(feed.maxValueBytes()).isBetween(390_000, 400_000);
        feed.commit(List.of(largest(feed.maxValueBytes())), position(3));
        assertThat(committed()).hasSize(5);

        setMaxMessageBytes(10_000);
        assertThatThrownBy(() -> open(feed))
                .hasMessageContaining("max.message.bytes=10000 is too small for events: kafka");
    }

    private static FeedEvent largest(int bytes) {
        byte[] value = new byte[bytes];
        new Random(1).nextBytes(value);
        Map<String, String> headers = new LinkedHashMap<>();
        for (int i = 0; i < 10; i++) {
            headers.put("header-" + i, "0123456789abcdef".repeat(i == 9 ? 64 : 4));
        }
        return new FeedEvent("0123456789abcdef".repeat(4), value, headers);
    }

    private void setMaxMessageBytes(int max) throws Exception {
        try (Admin admin = CLUSTER.admin()) {
            AlterConfigOp set = new AlterConfigOp(
                    new ConfigEntry("max.message.bytes", Integer.toString(max)), AlterConfigOp.OpType.SET);
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
        }
        CLUSTER.awaitMaxMessageBytes(topic, max);
    }

    @Test
    @ResourceLock(BROKERS)
    void brokersThatAreDown_failEachCall_andNothingIsLostOrRepeated() throws Exception {
        create();
        open(feed);
        feed.commit(List.of(event("key", "a")), position(1));
        CLUSTER.stop(1);
        CLUSTER.stop(2);

        assertThatThrownBy(() -> feed.commit(List.of(event("key", "b")), position(2)))
                .isInstanceOf(FeedUnavailableException.class)
                .hasMessageContaining("in sync")
                .hasMessageContaining("start the others");
        assertThatThrownBy(() -> open(feed)).isInstanceOf(FeedUnavailableException.class);

        CLUSTER.restart();
        FeedPosition found = await().atMost(PATIENCE)
                .ignoreException(FeedUnavailableException.class)
                .until(() -> open(feed), position(1)::equals);
        assertThat(found).isEqualTo(position(1));
        feed.commit(List.of(event("key", "b")), position(2));
        assertThat(committedValues()).containsExactly("a", "b");
    }

    /** The brokers lost power, and the other log has written beyond what they lost before this one looks. */
    @Test
    @ResourceLock(BROKERS)
    void topicThatLostItsEnd_isFedAgainAfterTheLastPositionThatItStillHas_alsoByTheNextProcess() throws Exception {
        create();
        KafkaFeed other = feed(OTHER_LOG, "other");
        open(other, OTHER_LOG);
        open(feed);
        feed.commit(List.of(event("key", "a"), event("other", "b")), position(1));
        assertThat(committedValues()).containsExactly("a", "b");
        feed.check();
        Map<Path, Long> kept = CLUSTER.lengths(topic);
        feed.commit(List.of(event("key", "c")), position(2));
        feed.commit(List.of(event("other", "d")), position(3));
        assertThat(committedValues()).hasSize(4);

        CLUSTER.lose(topic, kept);
        awaitOpen(other, OTHER_LOG);
        other.commit(many(20), position(OTHER_LOG, 1));

        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThatThrownBy(feed::check)
                        .isInstanceOf(FeedUnavailableException.class)
                        .hasMessageContaining("topic " + topic + ": the topic no longer has all events"));
        KafkaFeed next = feed(LOG, "next");
        Opened found = awaitLoss(next);
        assertThat(found.position()).isEqualTo(position(1));
        assertThat(found.loss().upTo()).isEqualTo(3);
        next.commit(List.of(event("key", "c")), position(2));
        assertThat(committedValues())
                .contains("a", "b", "c")
                .doesNotContain("d")
                .hasSize(23);

        CLUSTER.lose(topic, Map.of());
        assertThatThrownBy(() -> next.commit(List.of(event("key", "e")), position(3)))
                .isInstanceOf(FeedUnavailableException.class);
        assertThat(awaitLoss(next).position()).as("no event remains").isEqualTo(start(LOG));
        assertThat(open(next)).as("the position went back for good").isEqualTo(start(LOG));
    }

    private static void awaitOpen(KafkaFeed of, String logId) {
        await().atMost(PATIENCE).ignoreException(FeedUnavailableException.class).until(() -> {
            of.open(start(logId));
            return true;
        });
    }

    private static List<FeedEvent> many(int events) {
        return IntStream.range(0, events)
                .mapToObj(i -> event("key-" + i, "other-" + i))
                .toList();
    }

    @Test
    void topicsThatWereRemoved_areFedFromTheBeginning() throws Exception {
        create();
        open(feed);
        feed.commit(List.of(event("key", "a")), position(5));
        recreate(KafkaFeed.positionsOf(topic), 1, TopicRules.POSITIONS.configuration());
        Opened found = awaitLoss(feed);
        assertThat(found.position()).as("without positions").isEqualTo(start(LOG));
        assertThat(found.loss().what())
                .contains("the topic " + topic + ".positions has lost the position of log " + LOG);
        assertThat(found.loss().upTo()).isEqualTo(5);
        feed.commit(List.of(event("key", "a")), position(5));

        recreate(topic, PARTITIONS, TopicRules.FEED.configuration());

        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThatThrownBy(feed::check).isNotNull());
        assertThat(awaitLoss(feed).position()).isEqualTo(start(LOG));
        feed.commit(List.of(event("key", "a")), position(5));
        assertThat(open(feed)).isEqualTo(position(5));
        assertThat(committedValues()).containsExactly("a");
    }

    private static void recreate(String name, int partitions, Map<String, String> configuration) throws Exception {
        try (Admin admin = CLUSTER.admin()) {
            admin.deleteTopics(List.of(name)).all().get();
            await().atMost(PATIENCE)
                    .until(() -> !admin.listTopics().names().get().contains(name));
        }
        create(name, partitions, configuration);
    }

    @Test
    void missingTopics_areReportedWithTheCommandsThatCreateThem_andNotCreated() throws Exception {
        String server = "kafka-topics.sh --bootstrap-server " + CLUSTER.addresses()
                + " --command-config client.properties --create --topic " + topic;
        assertThatThrownBy(() -> open(feed))
                .isInstanceOf(FeedUnavailableException.class)
                .hasMessageContaining("topic " + topic + ".positions: the topic does not exist; create it: " + server
                        + ".positions --partitions 1 --replication-factor 3 --config cleanup.policy=compact"
                        + " --config min.insync.replicas=2 --config segment.bytes=16777216"
                        + " --config unclean.leader.election.enable=false");
        create(KafkaFeed.positionsOf(topic), 1, TopicRules.POSITIONS.configuration());
        assertThatThrownBy(() -> open(feed))
                .isInstanceOf(FeedUnavailableException.class)
                .hasMessageContaining("topic " + topic + ": the topic does not exist; create it: " + server
                        + " --partitions 6 --replication-factor 3 --config max.message.bytes=4194304"
                        + " --config min.insync.replicas=2");
        assertThat(new FeedCheck(settings, topic).run())
                .extracting(Finding::grade)
                .containsOnly(Grade.BAD, Grade.GOOD);
        try (Admin admin = CLUSTER.admin()) {
            assertThat(admin.listTopics().names().get()).doesNotContain(topic);
        }
    }

    @Test
    void check_reportsEachViolationWithItsCommand() throws Exception {
        create();
        assertThat(new FeedCheck(settings, topic).run()).hasSize(2).allMatch(each -> each.grade() == Grade.GOOD);
        String wrong = topic + "-wrong";
        try (Admin admin = CLUSTER.admin()) {
            admin.createTopics(List.of(
                            new NewTopic(wrong, 2, (short) 1),
                            new NewTopic(KafkaFeed.positionsOf(wrong), 2, (short) 1)
                                    .configs(Map.of("unclean.leader.election.enable", "true"))))
                    .all()
                    .get();
        }

        List<Finding> found = new FeedCheck(settings, wrong).run();

        String set = "kafka-configs.sh --bootstrap-server " + CLUSTER.addresses()
                + " --command-config client.properties --alter --entity-type topics --entity-name " + wrong;
        assertThat(found).extracting(Finding::grade).containsOnly(Grade.BAD);
        assertThat(found).extracting(Finding::subject).containsOnly("feed");
        assertThat(found)
                .extracting(Finding::text)
                .satisfiesExactly(
                        text -> assertThat(text)
                                .contains(
                                        "topic " + wrong + " has a replication factor of 1",
                                        "the same for each other partition"),
                        text -> assertThat(text)
                                .contains("min.insync.replicas=1", set + " --add-config min.insync.replicas=2"),
                        text -> assertThat(text).contains(".positions has 2 partitions, but must have 1"),
                        text -> assertThat(text).contains(".positions has a replication factor of 1"),
                        text -> assertThat(text)
                                .contains(
                                        "cleanup.policy=delete",
                                        set + ".positions --add-config cleanup.policy=compact"),
                        text -> assertThat(text).contains(set + ".positions --add-config min.insync.replicas=2"),
                        text -> assertThat(text)
                                .contains(set + ".positions --add-config unclean.leader.election.enable=false"));
        try (KafkaFeed unkept = new KafkaFeed(settings, wrong, LOG, 0, "one", "host", LIMITS)) {
            assertThatThrownBy(() -> open(unkept))
                    .isInstanceOf(FeedUnavailableException.class)
                    .hasMessageContaining(".positions has 2 partitions, but must have 1");
        }
    }

    @Test
    void userWithoutRights_isToldWhichOnes() throws Exception {
        create();
        try (KafkaFeed other = new KafkaFeed(
                settings(CLUSTER.configurationWithoutRights()), topic, LOG, 0, "two", "host-two", LIMITS)) {
            assertThatThrownBy(() -> open(other))
                    .isInstanceOf(FeedUnavailableException.class)
                    .hasMessageContaining("the user may not do this: ")
                    .hasMessageContaining(" --topic " + topic
                            + " --operation Describe --operation DescribeConfigs --operation Write && kafka-acls.sh")
                    .hasMessageContaining(" --topic " + topic + ".positions --operation Describe"
                            + " --operation DescribeConfigs --operation Read --operation Write && kafka-acls.sh")
                    .hasMessageContaining(" --transactional-id flk.feed." + topic
                            + ". --resource-pattern-type prefixed --operation Describe --operation Write")
                    .hasMessageNotContaining("secret");
        }
    }
}
