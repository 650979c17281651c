// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.RedisServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that this version starts on the data of the version of 2026-11-20 ({@code src/test/resources/older}), which was
 * killed with {@code kill -9}. There is one data directory for each of the four stores, and one outbox. The data comes
 * from two runs with two policies, and contains conflicts and rejections. Every earlier answer must be returned again,
 * identical to the byte. Two more directories, of the version of 2026-11-28, have the record in the state.
 */
final class OlderDataIT {
    private static final Path OLDER = Path.of("src/test/resources/older");

    /** The configuration with which the outcomes in the directories do not expire for ten years. */
    private static final Map<String, String> FOR_YEARS =
            Map.of("DEDUP_TTL", "3650d", "WAL_RETENTION", "3650d", "PCS_SIGN_ALG", "none", "PCS_HMAC_KEY", "");

    @TempDir
    private Path directory;

    private static Path older() {
        return Built.root().resolve("e2e").resolve(OLDER);
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
    }

    private void assertAnswersStand(String store, Map<String, String> configuration) throws Exception {
        copy(older().resolve(store).resolve("wal"), directory.resolve("data/wal"));
        Map<String, String> environment = new HashMap<>(FOR_YEARS);
        environment.putAll(configuration);
        try (ServedBackend backend = BackendInJvm.start(directory, environment)) {
            Client client = new Client(backend.url());
            client.awaitReady();
            List<String> answers = Files.readAllLines(older().resolve(store).resolve("answers.txt"));
            assertThat(answers).hasSize(40);
            for (String answer : answers) {
                String body = answer.substring(4);
                Answer found = client.get(
                        "/v1/pcs/" + StrictJson.read(body).get("pcs_id").textValue());
                assertThat(found.status()).as(answer).isEqualTo(200);
                assertThat(found.body()).isEqualTo(body);
            }
            assertThat(client.metric("flk_lost_outcomes_total")).isZero();
            assertThat(backend.allLines()).doesNotContain("ERROR");
        }
    }

    @Test
    void embedded_olderData_isRead() throws Exception {
        copy(older().resolve("embedded/dedup"), directory.resolve("data/dedup"));
        assertAnswersStand("embedded", Map.of());
    }

    @Test
    void memory_olderData_isRead() throws Exception {
        assertAnswersStand("memory", Map.of("DEDUP_BACKEND", "memory"));
    }

    @Test
    void recordInTheState_isMovedAndContinues() throws Exception {
        copy(older().resolve("record/state"), directory.resolve("data/state"));
        copy(older().resolve("record/state/log"), directory.resolve("data/state/log"));
        assertRecordIsMoved("record", Map.of("STATE_PORT", "0"), 40);
    }

    @Test
    void recordInTheStateInPostgres_isMovedToItsTable() throws Exception {
        try (PostgresServer server = PostgresServer.startWithScram()) {
            server.execute("postgres", Files.readString(older().resolve("record-postgres/dump.sql")));
            Map<String, String> configuration = new HashMap<>(server.configuration());
            configuration.putAll(Map.of("STATE_ENGINE", "postgres", "STATE_PORT", "0"));
            assertRecordIsMoved("record-postgres", configuration, 20);
        }
    }

    /** Asserts that the outcomes have the same content and the same order after two starts. */
    private void assertRecordIsMoved(String data, Map<String, String> configuration, int count) throws Exception {
        copy(older().resolve(data).resolve("wal"), directory.resolve("data/wal"));
        Map<String, String> environment = new HashMap<>(FOR_YEARS);
        environment.put("RECORD_HISTORY", "36500d");
        environment.putAll(configuration);
        List<JsonNode> before = outcomes(Files.readString(older().resolve(data).resolve("outcomes.txt")));
        assertThat(before).hasSize(count);
        for (int start = 0; start < 2; start++) {
            try (ServedBackend backend = BackendInJvm.start(directory, environment)) {
                Client client = new Client(backend.url());
                client.awaitReady();
                Client.awaitUntil(() -> client.get("/v1/outcomes")
                        .headers()
                        .firstValue("X-Flk-Incomplete-Before")
                        .isEmpty());
                assertThat(client.submit(Pcs.number(1_000 + start)).status()).isEqualTo(200);
                int all = count + start + 1;
                Client.awaitUntil(() ->
                        outcomes(client.get("/v1/outcomes?limit=1000").body()).size() == all);
                assertThat(outcomes(client.get("/v1/outcomes?limit=1000").body())
                                .subList(0, count))
                        .isEqualTo(before);
                assertThat(client.get("/v1/outcomes/changes?limit=1000").body().lines())
                        .hasSize(all);
            }
        }
    }

    private static List<JsonNode> outcomes(String lines) {
        return lines.lines().map(StrictJson::read).toList();
    }

    @Test
    void redis_olderData_isRead() throws Exception {
        try (RedisServer server = RedisServer.startDurable(directory.resolve("server"))) {
            for (String line : Files.readAllLines(older().resolve("redis/redis.jsonl"))) {
                JsonNode entry = new ObjectMapper().readTree(line);
                String key = entry.get("key").textValue();
                String value = entry.get("value").textValue();
                long until = entry.get("expires_at_millis").longValue();
                assertThat(
                                until < 0
                                        ? server.send("SET", key, value)
                                        : server.send("SET", key, value, "PXAT", Long.toString(until)))
                        .containsExactly("+OK");
            }
            assertAnswersStand("redis", server.configuration());
        }
    }

    @Test
    void postgres_olderData_isRead() throws Exception {
        try (PostgresServer server = PostgresServer.startWithScram()) {
            server.execute("postgres", Files.readString(older().resolve("postgres/dump.sql")));
            assertAnswersStand("postgres", server.configuration());
        }
    }

    /**
     * Sends the twenty pending certificates. The backend refuses three of them, which are added to the two existing
     * dead letters.
     */
    @Test
    void outbox_olderData_isRead() throws Exception {
        copy(older().resolve("agent/outbox"), directory.resolve("agent/outbox.wal"));
        Files.copy(older().resolve("agent/dlq.jsonl"), directory.resolve("agent/dlq.jsonl"));
        String key = "fixture-key-of-32-bytes-0123456789";
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("PCS_HMAC_KEY", key))) {
            Map<String, String> agent = Map.of(
                    "ENDPOINT", backend.url(),
                    "PCS_SIGN_ALG", "hmac",
                    "PCS_HMAC_KEY", key,
                    "OUTBOX_PATH", directory.resolve("agent/outbox.wal").toString(),
                    "DLQ_PATH", directory.resolve("agent/dlq.jsonl").toString());
            AgentHome.succeed(agent, "run", "--until-empty");
            assertThat(new Client(backend.url()).metric("flk_accepted")).isEqualTo(17);
            assertThat(Files.readAllLines(directory.resolve("agent/dlq.jsonl"))).hasSize(5);
        }
    }
}
