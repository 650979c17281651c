// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.copy.CopyRecord;
import dev.flk.copy.CopyTopic.CopyUnavailableException;
import dev.flk.copy.CopyTopic.Entry;
import dev.flk.program.config.Settings;
import dev.flk.program.health.Finding;
import dev.flk.program.health.Finding.Grade;
import dev.flk.testkit.FreePort;
import dev.flk.testkit.KafkaCluster;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;

/** Tests of a topic on three brokers that run in this JVM. */
class KafkaTopicTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Duration CALL = Duration.ofSeconds(2);
    private static final Duration DELIVERY = Duration.ofSeconds(3);
    private static final KafkaCluster CLUSTER = KafkaCluster.shared();

    private final KafkaSettings settings = settings(CLUSTER.configuration());
    private String name;
    private KafkaTopic topic;

    @BeforeEach
    void open(TestInfo test) {
        name = settings.topicOf(test.getTestMethod().orElseThrow().getName().replaceAll("[^a-zA-Z]", "-"));
        topic = new KafkaTopic(settings, name, CALL, DELIVERY);
    }

    @AfterEach
    void close() {
        topic.close();
    }

    private static KafkaSettings settings(Map<String, String> values) {
        Settings settings = new Settings(KafkaSettings.KEYS, values, null);
        KafkaSettings read = KafkaSettings.read(settings, "LOG_COPY=kafka");
        settings.check();
        return read;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private void create() {
        // a broker that an earlier test has stopped may not be in sync yet
        await().atMost(PATIENCE)
                .until(() -> new TopicCheck(settings, name)
                        .run(true).stream().allMatch(finding -> finding.grade() == Grade.GOOD));
    }

    private long send(byte[] value) throws Exception {
        try {
            return topic.send(value).toCompletableFuture().get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        } catch (java.util.concurrent.ExecutionException e) {
            throw (CopyUnavailableException) e.getCause();
        }
    }

    private static void delete(String topic) throws Exception {
        try (Admin admin = CLUSTER.admin()) {
            admin.deleteTopics(List.of(topic)).all().get();
            await().atMost(PATIENCE)
                    .until(() -> !admin.listTopics().names().get().contains(topic));
        }
    }

    @Test
    void removalCommands_nameTheTopic() {
        String server = " --bootstrap-server " + CLUSTER.addresses() + " --command-config client.properties ";
        assertThat(topic.removalCommand(OptionalLong.empty()))
                .isEqualTo("kafka-topics.sh" + server + "--delete --topic " + name);
        assertThat(topic.removalCommand(OptionalLong.of(7)))
                .isEqualTo("kafka-delete-records.sh" + server + "--offset-json-file before.json, with before.json"
                        + " {\"version\":1,\"partitions\":[{\"topic\":\"" + name
                        + "\",\"partition\":0,\"offset\":7}]}");
    }

    @Test
    void entries_areReadInTheOrderInWhichTheyWereSent() throws Exception {
        create();
        List<byte[]> sent = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            byte[] value = new byte[i % 20 == 7 ? CopyRecord.MAX_PART_BYTES + 1000 : i];
            Arrays.fill(value, (byte) i);
            sent.add(value);
        }
        assertThat(topic.begin()).isZero();
        assertThat(topic.end()).isZero();

        List<CompletableFuture<Long>> offsets = sent.stream()
                .map(value -> topic.send(value).toCompletableFuture())
                .toList();
        for (int i = 0; i < offsets.size(); i++) {
            assertThat(offsets.get(i).get(PATIENCE.toSeconds(), TimeUnit.SECONDS))
                    .isEqualTo(i);
        }

        assertThat(topic.end()).isEqualTo(100);
        List<Entry> read = new ArrayList<>();
        while (read.size() < 100) {
            read.addAll(topic.read(read.size(), 100));
        }
        for (int i = 0; i < 100; i++) {
            assertThat(read.get(i).offset()).isEqualTo(i);
            assertThat(read.get(i).value()).isEqualTo(sent.get(i));
        }
        assertThat(topic.read(5, 8)).extracting(Entry::offset).startsWith(5L).doesNotContain(8L);
        assertThat(topic.read(100, 100)).isEmpty();
        assertThatThrownBy(() -> topic.read(200, 205))
                .isInstanceOf(CopyUnavailableException.class)
                .hasMessageContaining("the brokers do not have entry 200 of 205");

        topic.trim(40);

        assertThat(topic.begin()).isEqualTo(40);
        assertThat(topic.end()).isEqualTo(100);
        assertThat(topic.read(0, 50)).extracting(Entry::offset).startsWith(40L);
        assertThat(topic.read(0, 40)).isEmpty();
        topic.trim(30);
        assertThat(topic.begin()).isEqualTo(40);
        assertThat(send(bytes("next"))).isEqualTo(100);
    }

    @Test
    void topicThatIsCreatedAgain_hasAnotherIdentity() throws Exception {
        create();
        String before = topic.identity();
        assertThat(send(bytes("one"))).isZero();
        assertThat(send(bytes("two"))).isEqualTo(1);
        assertThat(topic.identity()).isEqualTo(before);
        delete(name);
        assertThatThrownBy(topic::identity)
                .isInstanceOf(CopyUnavailableException.class)
                .hasMessageContaining("the topic does not exist; create it: kafka-topics.sh --bootstrap-server "
                        + CLUSTER.addresses() + " --command-config client.properties --create --topic " + name
                        + " --partitions 1 --replication-factor 3 --config cleanup.policy=delete");
        create();

        assertThat(topic.identity()).isNotEqualTo(before).startsWith(before.substring(0, before.indexOf('/') + 1));
        await().atMost(PATIENCE).until(() -> succeeds(() -> send(bytes("again")) == 0));
    }

    @Test
    void missingTopic_isNotCreatedByEntries() throws Exception {
        assertThatThrownBy(() -> send(bytes("one"))).hasMessageContaining("the topic does not exist");
        assertThatThrownBy(topic::end).hasMessageContaining("the topic does not exist");
        try (Admin admin = CLUSTER.admin()) {
            assertThat(admin.listTopics().names().get()).doesNotContain(name);
        }
        assertThat(new TopicCheck(settings, name).run(false))
                .singleElement()
                .matches(finding -> finding.grade() == Grade.BAD)
                .extracting(Finding::text)
                .asString()
                .contains("kafka-topics.sh");
    }

    @Test
    void wrongTopic_isReportedWithTheCommandForEachViolation() throws Exception {
        try (Admin admin = CLUSTER.admin()) {
            NewTopic wrong = new NewTopic(name, 2, (short) 1)
                    .configs(Map.of(
                            "cleanup.policy", "compact",
                            "retention.ms", "1000",
                            "retention.bytes", "1000000",
                            "unclean.leader.election.enable", "true",
                            "max.message.bytes", "600000"));
            admin.createTopics(List.of(wrong)).all().get();
        }

        List<Finding> found = new TopicCheck(settings, name).run(true);

        assertThat(found).extracting(Finding::grade).containsOnly(Grade.BAD);
        String set = "kafka-configs.sh --bootstrap-server " + CLUSTER.addresses()
                + " --command-config client.properties --alter --entity-type topics --entity-name " + name
                + " --add-config ";
        assertThat(found)
                .extracting(Finding::text)
                .satisfiesExactly(
                        text -> assertThat(text).contains("has 2 partitions, but must have 1"),
                        text -> assertThat(text).contains("replication factor of 1", "kafka-reassign-partitions.sh"),
                        text -> assertThat(text).contains("cleanup.policy=compact", set + "cleanup.policy=delete"),
                        text -> assertThat(text).contains("retention.ms=1000", set + "retention.ms=-1"),
                        text -> assertThat(text).contains("retention.bytes=1000000", set + "retention.bytes=-1"),
                        text -> assertThat(text).contains("min.insync.replicas=1", set + "min.insync.replicas=2"),
                        text -> assertThat(text).contains(set + "unclean.leader.election.enable=false"),
                        text -> assertThat(text)
                                .contains("max.message.bytes=600000", set + "max.message.bytes=1048588"));
    }

    @Test
    void tooFewBrokersInSync_isReported_andAnotherProducerSendsOnceTheyAreBack() throws Exception {
        create();
        assertThat(send(bytes("0"))).isZero();

        CLUSTER.stop(1);
        assertThat(send(bytes("1"))).as("two are enough").isEqualTo(1);
        CLUSTER.stop(2);
        List<CompletableFuture<Long>> failing = List.of(
                topic.send(bytes("lost")).toCompletableFuture(),
                topic.send(bytes("lost")).toCompletableFuture());
        assertThatThrownBy(() -> failing.get(0).get(PATIENCE.toSeconds(), TimeUnit.SECONDS))
                .hasCauseInstanceOf(CopyUnavailableException.class)
                .hasMessageContaining("Kafka at " + CLUSTER.addresses() + ", topic " + name)
                .hasMessageContaining("no acknowledgement within 3 s: of the topic's brokers (ids 0, 1, 2), only these"
                        + " are in sync: 0; start the others");
        assertThat(failing.get(1)).failsWithin(PATIENCE);
        assertThat(topic.send(bytes("lost")).toCompletableFuture()).failsWithin(PATIENCE);
        assertThat(new TopicCheck(settings, name).run(true))
                .extracting(Finding::text)
                .anyMatch(text -> text.contains("only 1 of its 3 brokers are in sync"));

        CLUSTER.restart();
        await().atMost(PATIENCE).until(() -> succeeds(() -> send(bytes("last")) >= 2));
        long end = topic.end();
        assertThat(topic.read(end - 1, end))
                .singleElement()
                .extracting(Entry::value)
                .isEqualTo(bytes("last"));
    }

    private interface Attempt {
        boolean run() throws Exception;
    }

    private static boolean succeeds(Attempt attempt) throws Exception {
        try {
            return attempt.run();
        } catch (CopyUnavailableException notYet) {
            return false;
        }
    }

    @Test
    void userWithoutRights_isToldWhichOnes() {
        create();
        try (KafkaTopic other = new KafkaTopic(settings(CLUSTER.configurationWithoutRights()), name)) {
            assertThatThrownBy(other::end)
                    .isInstanceOf(CopyUnavailableException.class)
                    .hasMessageContaining("the user may not do this: ")
                    .hasMessageContaining("kafka-acls.sh")
                    .hasMessageNotContaining("secret");
            assertThat(other.send(bytes("one")).toCompletableFuture())
                    .isCompletedExceptionally()
                    .failsWithin(Duration.ZERO)
                    .withThrowableOfType(java.util.concurrent.ExecutionException.class)
                    .withMessageContaining("the user may not do this: Topic authorization failed.");
        }
    }

    @Test
    void wrongPassword_isReportedWithoutIt() {
        try (KafkaTopic other =
                new KafkaTopic(settings(CLUSTER.configuration("plain-admin", "do-not-print-me")), name)) {
            assertThatThrownBy(other::identity)
                    .isInstanceOf(CopyUnavailableException.class)
                    .hasMessageContaining("the login failed: Authentication failed: Invalid username or password")
                    .hasMessageContaining("KAFKA_SASL_JAAS_CONFIG")
                    .hasMessageNotContaining("do-not-print-me");
        }
    }

    @Test
    void malformedLogin_isReportedWithoutThePassword() {
        Map<String, String> values = new HashMap<>(CLUSTER.configuration());
        values.put("KAFKA_SASL_JAAS_CONFIG", "PlainLoginModule required password=\"do-not-print-me\"");
        try (KafkaTopic other = new KafkaTopic(settings(values), name)) {
            assertThatThrownBy(other::identity)
                    .isInstanceOf(CopyUnavailableException.class)
                    .hasMessageContaining("a client can't be opened")
                    .hasMessageNotContaining("do-not-print-me");
        }
    }

    @Test
    void missingBrokers_failEachCallWithinABoundedTime() {
        KafkaSettings nowhere = settings(Map.of("KAFKA_BROKERS", "127.0.0.1:" + FreePort.choose()));
        try (KafkaTopic other = new KafkaTopic(nowhere, name, CALL, DELIVERY)) {
            long begunNanos = System.nanoTime();
            assertThatThrownBy(other::end)
                    .isInstanceOf(CopyUnavailableException.class)
                    .hasMessageContaining("no answer in time; check that the brokers run");
            assertThat(Duration.ofNanos(System.nanoTime() - begunNanos)).isLessThan(CALL.multipliedBy(2));
        }
        KafkaSettings unknown = settings(Map.of("KAFKA_BROKERS", "no-such-host.invalid:9092"));
        try (KafkaTopic other = new KafkaTopic(unknown, name)) {
            assertThatThrownBy(other::end).hasMessageContaining("no host name in KAFKA_BROKERS can be resolved");
        }
    }

    @Test
    void entryThatIsTooLarge_isReported() throws Exception {
        create();
        assertThatThrownBy(() -> send(new byte[TopicProducer.MAX_REQUEST_BYTES]))
                .isInstanceOf(CopyUnavailableException.class)
                .hasMessageContaining("an entry is larger than the topic accepts")
                .hasMessageContaining("--add-config max.message.bytes=1048588");
        await().atMost(PATIENCE).until(() -> succeeds(() -> send(bytes("small")) == 0));
    }
}
