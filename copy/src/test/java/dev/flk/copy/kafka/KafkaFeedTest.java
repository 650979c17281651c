// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.copy.kafka.KafkaFeed.Limits;
import dev.flk.feed.FeedEvent;
import dev.flk.feed.FeedFencedException;
import dev.flk.feed.FeedPosition;
import dev.flk.feed.FeedUnavailableException;
import dev.flk.program.config.Settings;
import dev.flk.program.health.Finding;
import dev.flk.program.health.Finding.Grade;
import dev.flk.testkit.KafkaCluster;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
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
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;

/** Tests of a feed on three brokers that run in this JVM. */
class KafkaFeedTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Limits LIMITS =
            new Limits(Duration.ofSeconds(2), Duration.ofSeconds(4), Duration.ofSeconds(20), 8);
    private static final int PARTITIONS = 3;
    private static final String LOG = "0123456789abcdef0123456789abcdef";
    private static final String OTHER_LOG = "fedcba9876543210fedcba9876543210";
    private static KafkaCluster cluster;

    private final KafkaSettings settings = settings(cluster.configuration());
    private final List<KafkaFeed> opened = new ArrayList<>();
    private String topic;
    private KafkaFeed feed;

    @BeforeAll
    static void startBrokers() {
        cluster = KafkaCluster.start(
                3,
                Map.of(
                        "broker.session.timeout.ms", "2000",
                        "broker.heartbeat.interval.ms", "200",
                        "transaction.state.log.num.partitions", "3",
                        "auto.create.topics.enable", "true"));
    }

    @AfterAll
    static void stopBrokers() {
        cluster.close();
    }

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
        KafkaFeed made = new KafkaFeed(settings, topic, logId, instance, "host-" + instance, LIMITS);
        opened.add(made);
        return made;
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
        try (Admin admin = cluster.admin()) {
            admin.createTopics(List.of(new NewTopic(name, partitions, (short) 3).configs(configuration)))
                    .all()
                    .get();
        }
    }

    private static FeedEvent event(String key, String value) {
        return new FeedEvent(key, value.getBytes(StandardCharsets.UTF_8), Map.of());
    }

    private static FeedPosition position(String logId, long sequence) {
        return new FeedPosition(logId, sequence, "digest-" + sequence, sequence % 2 == 0 ? "" : "r-" + sequence);
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
        Map<String, Object> properties = client();
        properties.put("transactional.id", KafkaFeed.transactionalId(topic, logId));
        properties.put("linger.ms", 0);
        KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, "key".getBytes(StandardCharsets.UTF_8), new byte[] {'x'}));
        producer.send(new ProducerRecord<>(
                KafkaFeed.positionsOf(topic),
                0,
                logId.getBytes(StandardCharsets.UTF_8),
                "flk-feed1 99 lost -".getBytes(StandardCharsets.UTF_8)));
        producer.flush();
        return producer;
    }

    @Test
    void events_areReadOnce_inTheOrderOfTheirKey_andThePositionIsTheLastOne() throws Exception {
        create();
        assertThat(feed.open()).as("no position at first").isEmpty();
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
        assertThat(feed.open()).contains(position(100));
        assertThat(feed(LOG, "two").open()).contains(position(100));
    }

    @Test
    void transactionOfAProcessThatDied_isNotRead_andEndsWhenTheNextOneOpens() throws Exception {
        create();
        feed.open();
        feed.commit(List.of(event("key", "a")), position(1));
        feed.close();
        try (KafkaProducer<byte[], byte[]> dead = dying(LOG)) {
            KafkaFeed next = feed(LOG, "two");

            assertThat(next.open()).contains(position(1));
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
        feed.open();
        feed.commit(List.of(event("key", "a")), position(1));
        KafkaFeed second = feed(LOG, "two");

        assertThat(second.open()).contains(position(1));
        assertThatThrownBy(() -> feed.commit(List.of(event("key", "lost")), position(2)))
                .isInstanceOf(FeedFencedException.class)
                .hasMessageContaining("Kafka at " + cluster.addresses() + ", topic " + topic)
                .hasMessageContaining("another process writes the events of log " + LOG + ": instance two on host-two");
        assertThatThrownBy(feed::open).isInstanceOf(FeedFencedException.class);
        assertThatThrownBy(() -> feed.commit(List.of(), position(2))).isInstanceOf(IllegalStateException.class);
        second.commit(List.of(event("key", "b")), position(5));
        assertThatThrownBy(feed::open).isInstanceOf(FeedFencedException.class);
        second.commit(List.of(), position(6));

        assertThat(committedValues()).containsExactly("a", "b");
        assertThat(second.open()).as("the owner may open it again").contains(position(6));
    }

    /** Tests a process that was paused for so long that the brokers aborted its transaction, which fences it too. */
    @Test
    void writerThatWasFencedByNoSuccessor_continues() throws Exception {
        create();
        feed.open();
        feed.commit(List.of(event("key", "a")), position(1));
        dying(LOG).close();

        assertThatThrownBy(() -> feed.commit(List.of(event("key", "lost")), position(2)))
                .isInstanceOf(FeedUnavailableException.class)
                .hasMessageContaining("the brokers have ended this process's transaction");
        assertThat(feed.open()).contains(position(1));
        feed.commit(List.of(event("key", "b")), position(2));

        assertThat(committedValues()).containsExactly("a", "b");
    }

    /** Tests that the successor survives a predecessor that fences it before it could find out about it. */
    @Test
    void successorThatWasFencedByItsPredecessor_continues() throws Exception {
        create();
        feed.open();
        KafkaFeed second = feed(LOG, "two");
        second.open();
        dying(LOG).close(); // as the predecessor's open() does

        assertThatThrownBy(() -> second.commit(List.of(), position(1))).isInstanceOf(FeedUnavailableException.class);
        assertThat(second.open()).isEmpty();
        second.commit(List.of(), position(1));
        assertThatThrownBy(feed::open).isInstanceOf(FeedFencedException.class);
    }

    @Test
    void position_isFoundBehindThoseOfOtherLogs() throws Exception {
        create();
        feed.open();
        feed.commit(List.of(), position(7));
        KafkaFeed other = feed(OTHER_LOG, "other");
        assertThat(other.open()).isEmpty();
        for (int i = 0; i < 200; i++) {
            other.commit(List.of(), position(OTHER_LOG, i));
        }

        assertThat(feed(LOG, "two").open()).contains(position(7));
        assertThat(other.open()).contains(position(OTHER_LOG, 199));
        assertThat(feed("00000000000000000000000000000000", "three").open()).isEmpty();
    }

    @Test
    void openTransactionOfAnotherLog_isAwaited_andNamed() throws Exception {
        create();
        try (KafkaProducer<byte[], byte[]> other = dying(OTHER_LOG)) {
            assertThatThrownBy(feed::open)
                    .isInstanceOf(FeedUnavailableException.class)
                    .hasMessageContaining("a transaction of flk.feed." + topic + "." + OTHER_LOG
                            + " is open from offset 0 on, last written at ")
                    .hasMessageContaining("kafka-transactions.sh --bootstrap-server " + cluster.addresses()
                            + " --command-config client.properties abort --topic " + topic
                            + ".positions --partition 0 --start-offset 0");

            other.commitTransaction();
        }
        assertThat(feed.open()).isEmpty();
        assertThat(feed(OTHER_LOG, "other").open()).contains(new FeedPosition(OTHER_LOG, 99, "lost", ""));
    }

    @Test
    void largestValue_isCommitted_andALargerOneIsRefused() throws Exception {
        create();
        setMaxMessageBytes(1_048_588);
        assertThatThrownBy(feed::maxValueBytes).isInstanceOf(IllegalStateException.class);
        feed.open();
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
        assertThat(feed.open()).contains(position(2));
        assertThat(feed.maxValueBytes()).isBetween(390_000, 400_000);
        feed.commit(List.of(largest(feed.maxValueBytes())), position(3));
        assertThat(committed()).hasSize(5);

        setMaxMessageBytes(10_000);
        assertThatThrownBy(feed::open).hasMessageContaining("max.message.bytes=10000 is too small for events: kafka");
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
        try (Admin admin = cluster.admin()) {
            AlterConfigOp set = new AlterConfigOp(
                    new ConfigEntry("max.message.bytes", Integer.toString(max)), AlterConfigOp.OpType.SET);
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
            await().atMost(PATIENCE)
                    .until(() -> admin.describeConfigs(List.of(resource))
                            .all()
                            .get()
                            .get(resource)
                            .get("max.message.bytes")
                            .value()
                            .equals(Integer.toString(max)));
        }
    }

    @Test
    void brokersThatAreDown_failEachCallWithinABoundedTime_andNothingIsLostOrRepeated() throws Exception {
        create();
        feed.open();
        feed.commit(List.of(event("key", "a")), position(1));
        cluster.stop(1);
        cluster.stop(2);

        long begunNanos = System.nanoTime();
        assertThatThrownBy(() -> feed.commit(List.of(event("key", "b")), position(2)))
                .isInstanceOf(FeedUnavailableException.class)
                .hasMessageContaining("only these are in sync: 0; start the others");
        assertThatThrownBy(feed::open).isInstanceOf(FeedUnavailableException.class);
        assertThat(Duration.ofNanos(System.nanoTime() - begunNanos)).isLessThan(Duration.ofSeconds(20));

        cluster.restart();
        Optional<FeedPosition> found = await().atMost(PATIENCE)
                .ignoreException(FeedUnavailableException.class)
                .until(feed::open, Optional::isPresent);
        assertThat(found).contains(position(1));
        feed.commit(List.of(event("key", "b")), position(2));
        assertThat(committedValues()).containsExactly("a", "b");
    }

    @Test
    void missingTopics_areReportedWithTheCommandsThatCreateThem_andNotCreated() throws Exception {
        String server = "kafka-topics.sh --bootstrap-server " + cluster.addresses()
                + " --command-config client.properties --create --topic " + topic;
        assertThatThrownBy(feed::open)
                .isInstanceOf(FeedUnavailableException.class)
                .hasMessageContaining("topic " + topic + ".positions: the topic does not exist; create it: " + server
                        + ".positions --partitions 1 --replication-factor 3 --config cleanup.policy=compact"
                        + " --config min.insync.replicas=2 --config segment.bytes=16777216"
                        + " --config unclean.leader.election.enable=false");
        create(KafkaFeed.positionsOf(topic), 1, TopicRules.POSITIONS.configuration());
        assertThatThrownBy(feed::open)
                .isInstanceOf(FeedUnavailableException.class)
                .hasMessageContaining("topic " + topic + ": the topic does not exist; create it: " + server
                        + " --partitions 6 --replication-factor 3 --config max.message.bytes=4194304"
                        + " --config min.insync.replicas=2");
        assertThat(new FeedCheck(settings, topic).run())
                .extracting(Finding::grade)
                .containsOnly(Grade.BAD, Grade.GOOD);
        try (Admin admin = cluster.admin()) {
            assertThat(admin.listTopics().names().get()).doesNotContain(topic);
        }
    }

    @Test
    void check_reportsEachViolationWithItsCommand() throws Exception {
        create();
        assertThat(new FeedCheck(settings, topic).run()).hasSize(2).allMatch(each -> each.grade() == Grade.GOOD);
        String wrong = topic + "-wrong";
        try (Admin admin = cluster.admin()) {
            admin.createTopics(List.of(
                            new NewTopic(wrong, 2, (short) 1),
                            new NewTopic(KafkaFeed.positionsOf(wrong), 2, (short) 1)
                                    .configs(Map.of("unclean.leader.election.enable", "true"))))
                    .all()
                    .get();
        }

        List<Finding> found = new FeedCheck(settings, wrong).run();

        String set = "kafka-configs.sh --bootstrap-server " + cluster.addresses()
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
        try (KafkaFeed unkept = new KafkaFeed(settings, wrong, LOG, "one", "host", LIMITS)) {
            assertThatThrownBy(unkept::open)
                    .isInstanceOf(FeedUnavailableException.class)
                    .hasMessageContaining(".positions has 2 partitions, but must have 1");
        }
    }

    @Test
    void userWithoutRights_isToldWhichOnes() throws Exception {
        create();
        try (KafkaFeed other =
                new KafkaFeed(settings(cluster.configurationWithoutRights()), topic, LOG, "two", "host-two", LIMITS)) {
            assertThatThrownBy(other::open)
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
