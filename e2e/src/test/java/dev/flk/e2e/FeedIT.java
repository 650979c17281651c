// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import dev.flk.sample.Pcs;
import dev.flk.testkit.KafkaCluster;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the feed of a backend, with brokers in this JVM. */
final class FeedIT {
    private static final KafkaCluster KAFKA = KafkaCluster.shared();

    @TempDir
    private Path directory;

    private static Map<String, String> settings(String topic) {
        Map<String, String> settings = new HashMap<>(KAFKA.configuration());
        settings.putAll(Map.of("FEED_TOPIC", topic, "WAL_MIN_FREE_BYTES", "1MiB"));
        return settings;
    }

    private BackendProcess start(String name, Map<String, String> settings) throws IOException {
        BackendProcess backend = BackendProcess.start(Files.createDirectories(directory.resolve(name)), settings);
        new Client(backend.url()).awaitReady();
        return backend;
    }

    /** Starts a backend that does not wait until the owner of the log has been silent for half a minute. */
    private ServedBackend takeOver(String name, Map<String, String> settings) throws IOException {
        Path home = Files.createDirectories(directory.resolve(name));
        ServedBackend backend = BackendInJvm.start(home, settings, "serve", "--take-over");
        new Client(backend.url()).awaitReady();
        return backend;
    }

    private static void submit(Client client, int from, int to) throws Exception {
        for (int i = from; i <= to; i++) {
            assertThat(client.submit(Pcs.number(i)).status()).isEqualTo(200);
        }
    }

    private static List<String> ids(FedEvents fed) {
        return fed.all().stream().map(ConsumerRecord::key).toList();
    }

    private static List<String> ids(int from, int to) {
        return IntStream.rangeClosed(from, to)
                .mapToObj(i -> Pcs.number(i).id().toString())
                .toList();
    }

    private static int review(Client client, Pcs reviewed, String verdict, String... condition) throws Exception {
        String body = "{\"ids\":[\"" + reviewed.id() + "\"],\"verdict\":\"" + verdict + "\"}";
        return client.send(client.request("/v1/reviews")
                        .header("Content-Type", "application/json")
                        .headers(condition)
                        .PUT(BodyPublishers.ofString(body)))
                .status();
    }

    @Test
    void backendIsKilled_brokersGoAndComeBack_eachOutcomeIsFedOnce_andAgainToAnotherTopic() throws Exception {
        try (Admin admin = KAFKA.admin()) {
            FedEvents.create(admin, "outcomes");
            FedEvents.create(admin, new NewTopic("again", FedEvents.PARTITIONS, (short) 3));
        }
        Map<String, String> settings = settings("outcomes");
        try (FedEvents fed = new FedEvents(KAFKA.client(), "outcomes");
                FedEvents again = new FedEvents(KAFKA.client(), "again")) {
            for (int start = 0; start < 3; start++) {
                try (BackendProcess backend = start("b", settings)) {
                    submit(new Client(backend.url()), start * 20 + 1, start * 20 + 20);
                    backend.program().kill();
                }
            }
            try (ServedBackend backend = BackendInJvm.start(directory.resolve("b"), settings)) {
                Client client = new Client(backend.url());
                Client.awaitUntil(() -> client.metric("flk_feed_lag_records") == 0);
                assertThat(ids(fed)).containsExactlyInAnyOrderElementsOf(ids(1, 60));

                KAFKA.stop(1);
                KAFKA.stop(2);
                submit(client, 61, 80);
                Client.awaitUntil(() -> client.metric("flk_feed_up") == 0);
                assertThat(client.metric("flk_feed_lag_seconds")).isPositive();
                KAFKA.restart();
                Client.awaitUntil(() -> fed.all().size() == 80 && client.metric("flk_feed_lag_seconds") == 0);
                assertThat(ids(fed)).containsExactlyInAnyOrderElementsOf(ids(1, 80));

                assertThat(replay(settings, "outcomes").exits(2).err())
                        .contains("--to-topic: outcomes belongs to the feed");
                Client.awaitUntil(() -> replay(settings, "again")
                        .exits(0)
                        .out()
                        .equals("40 events written to again, up to sequence 80\n"));
            }
            assertThat(ids(again)).containsAll(ids(41, 80)).doesNotContainAnyElementsOf(ids(1, 40));
        } finally {
            KAFKA.restart();
        }
    }

    private Command replay(Map<String, String> settings, String topic) throws IOException {
        return Command.ofBackend(
                settings,
                "feed",
                "replay",
                "--from",
                "41",
                "--to-topic",
                topic,
                "--dir",
                directory.resolve("b/data/wal").toString());
    }

    /** The former owner is stopped before its feed begins, and continues after its successor's has begun. */
    @Test
    void formerOwnerComesBack_itsFeedEnds_andItsSuccessorContinues() throws Exception {
        Map<String, String> settings = settings("owned");
        settings.putAll(Map.of("LOG_COPY", "kafka", "LOG_NAME", "owned"));
        try (BackendProcess former = start("former", settings)) {
            Client toFormer = new Client(former.url());
            submit(toFormer, 1, 10);
            Client.awaitUntil(
                    () -> toFormer.get("/readyz").body().contains("waits, and continues in order: Kafka at "));
            assertThat(toFormer.get("/readyz").status()).isEqualTo(200);
            former.program().signal("STOP");
            try (Admin admin = KAFKA.admin()) {
                FedEvents.create(admin, "owned");
            }
            try (FedEvents fed = new FedEvents(KAFKA.client(), "owned");
                    ServedBackend successor = takeOver("successor", settings)) {
                Client client = new Client(successor.url());
                submit(client, 11, 20);
                Client.awaitUntil(() -> fed.all().size() >= 20);

                former.program().signal("CONT");
                assertThat(former.program().awaitExit()).isEqualTo(4);
                assertThat(former.allLines()).contains("the feed has ended, because it belongs to another process");
                submit(client, 21, 30);
                Client.awaitUntil(() ->
                        client.metric("flk_feed_lag_records") == 0 && fed.all().size() >= 30);

                assertThat(ids(fed)).containsExactlyInAnyOrderElementsOf(ids(1, 30));
                assertThat(client.get("/readyz").body()).contains("\"feed\"").doesNotContain("has ended");
                assertThat(client.metric("flk_feed_up")).isEqualTo(1);
                assertThat(client.metric("flk_feed_ended")).isZero();
            }
        }
    }

    @Test
    void events_matchTheSchema() throws Exception {
        try (Admin admin = KAFKA.admin()) {
            FedEvents.create(admin, "events");
        }
        Map<String, String> settings = settings("events");
        Pcs measured = Pcs.number(1)
                .with("ft", "{\"window_start\":\"2026-01-19T10:00:00Z\",\"window_end\":\"2026-01-19T10:10:00Z\"}");
        Pcs refused = Pcs.number(2).with("D_hat", "1.9");
        Pcs large = Pcs.number(3).with("remark", "\"" + "\\\"".repeat(500_000) + "\"");
        try (FedEvents fed = new FedEvents(KAFKA.client(), "events");
                ServedBackend backend = BackendInJvm.start(directory, settings)) {
            Client client = new Client(backend.url());
            assertThat(client.submit(measured).status()).isEqualTo(200);
            assertThat(client.submit(refused).status()).isEqualTo(202);
            assertThat(client.submit(large).status()).isEqualTo(200);
            Client.awaitUntil(() -> client.get("/v1/outcomes").body().lines().count() == 3);
            assertThat(review(client, refused, "fault", "If-None-Match", "*")).isEqualTo(200);
            assertThat(review(client, refused, "ignore", "If-None-Match", "*")).isEqualTo(412);
            assertThat(review(client, refused, "withdrawn", "If-Match", "\"1\""))
                    .isEqualTo(200);
            Client.awaitUntil(() -> fed.all().size() == 5);
            assertMatch(fed.all());
            assertThat(fed.all().stream()
                            .filter(event -> event.key().equals(refused.id().toString()))
                            .map(event -> FedEvents.header(event, "type") + " " + FedEvents.header(event, "verdict")))
                    .containsExactly("outcome rejected", "review fault", "review withdrawn");
            assertThat(body(fed, measured)).isEqualTo(measured.json());
            assertThat(body(fed, large)).isEmpty();
            assertThat(client.metric("flk_feed_bodies_omitted_total")).isOne();
        }
    }

    private static String body(FedEvents fed, Pcs pcs) {
        return fed.all().stream()
                .filter(event -> event.key().equals(pcs.id().toString()))
                .map(event -> StrictJson.read(event.value()).path("body").asText())
                .findFirst()
                .orElseThrow();
    }

    private static void assertMatch(List<ConsumerRecord<String, String>> events) throws IOException {
        JsonNode document = StrictJson.read(Files.readString(Built.root().resolve("docs/feed.schema.json")));
        Schema schema = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                .getSchema(document);
        for (ConsumerRecord<String, String> event : events) {
            JsonNode value = StrictJson.read(event.value());
            assertThat(schema.validate(value)).as(event.value()).isEmpty();
            assertThat(names(value))
                    .isSubsetOf(names(document.at("/$defs/" + FedEvents.header(event, "type") + "/properties")));
        }
    }

    private static Set<String> names(JsonNode object) {
        Set<String> names = new TreeSet<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }
}
