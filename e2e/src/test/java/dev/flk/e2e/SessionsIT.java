// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.agent.run.Agent;
import dev.flk.sample.Pcs;
import dev.flk.testkit.RedisServer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of sessions that agents report to a backend, and of the command that shows them to an operator. */
final class SessionsIT {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final String TOKEN = "the token of an operator";

    @TempDir
    private Path directory;

    private Path agent;

    @BeforeEach
    void makeFiles() throws Exception {
        agent = Files.createDirectory(directory.resolve("agent"));
        Files.writeString(directory.resolve("token"), TOKEN + "\n");
        Files.writeString(directory.resolve("wrong"), "no token\n");
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(TOKEN.getBytes(StandardCharsets.UTF_8));
        Files.writeString(
                directory.resolve("tokens.json"),
                "{\"version\": 1, \"tokens\": [{\"name\": \"operator\", \"sha256\": \""
                        + HexFormat.of().formatHex(digest)
                        + "\", \"read\": [\"sessions/\"], \"write\": [\"sessions/pump\"]}]}");
    }

    private Map<String, String> tokens() {
        return Map.of(
                "STATE_PORT",
                "0",
                "STATE_TOKENS_FILE",
                directory.resolve("tokens.json").toString());
    }

    private Map<String, String> agent(String endpoint) throws IOException {
        Map<String, String> environment =
                new LinkedHashMap<>(AgentHome.in(agent).sendingTo(endpoint));
        environment.putAll(Map.of("HEARTBEAT", "1s", "AGENT_ID", "pump 7"));
        return environment;
    }

    /** Runs {@code flk-backend sessions}, checks its exit code, and returns its output. */
    private String sessions(ServedBackend backend, int exitCode, String token, String... args) {
        List<String> all = new ArrayList<>(List.of("sessions"));
        all.addAll(List.of(args));
        all.addAll(List.of(
                "--url", backend.url(), "--token-file", directory.resolve(token).toString()));
        return Command.ofBackend(Map.of(), all.toArray(String[]::new))
                .exits(exitCode)
                .all();
    }

    @Test
    void reportedSession_isShownByTheCommand_andSurvivesAKilledBackend() throws Exception {
        try (BackendProcess backend = BackendProcess.start(directory, tokens());
                Agent running = AgentHome.open(agent(backend.url()))) {
            Client client = new Client(backend.url());
            await().atMost(PATIENCE).until(() -> client.metric("flk_heartbeats_total") >= 2);
            await().atMost(PATIENCE).until(() -> client.metric("flk_sessions") == 1);
            assertThat(running.lockLost()).isEmpty();

            JsonNode session = StrictJson.read(sessions(backend, 0, "token", "get", "pump 7", "--json"));
            assertThat(session.path("version").asLong()).isGreaterThanOrEqualTo(2);
            assertThat(session.path("expires_in").asLong()).isBetween(3_000L, 3_600L);
            JsonNode state = session.path("state");
            assertThat(state.path("pending").asLong(-1)).isZero();
            assertThat(state.path("host").asText()).isNotEmpty();
            assertThat(state.path("breaker_open").asBoolean(true)).isFalse();
            assertThat(sessions(backend, 0, "token", "list")).contains("pump 7");
            try (Program watch = Program.java(
                    "flk-backend",
                    directory,
                    Map.of(),
                    Program.QUICK_START,
                    "sessions",
                    "watch",
                    "--url",
                    backend.url(),
                    "--token-file",
                    "token")) {
                watch.awaitLine(line -> line.contains("  pump 7  {\"version\":"));
            }
            assertThat(sessions(backend, 1, "wrong", "list")).contains("the backend answered 401: unauthorized");
            backend.program().kill();
        }

        try (ServedBackend again = BackendInJvm.start(directory, tokens())) {
            await().atMost(PATIENCE).until(() -> new Client(again.url()).metric("flk_state_up") == 1);
            assertThat(sessions(again, 0, "token", "get", "pump 7")).contains("\"pending\":0");
            assertThat(sessions(again, 0, "token", "list", "--silent", "1h")).contains("no session");
            assertThat(sessions(again, 0, "token", "set", "pump 7/note", "{\"a\":1}", "--if-version", "0"))
                    .contains("version 1");
            assertThat(sessions(again, 1, "token", "set", "pump 7/note", "{\"a\":2}", "--if-version", "0"))
                    .contains("the backend answered 412: Concurrent modification detected: the session has version 1");
            assertThat(sessions(again, 1, "token", "set", "valve", "{}")).contains("the backend answered 403: ");
            assertThat(sessions(again, 0, "token", "delete", "pump 7/note")).contains("version 2");
            assertThat(sessions(again, 1, "token", "get", "pump 7/note"))
                    .contains("the backend answered 404: the session was deleted");
        }
    }

    @Test
    @Tag("thorough")
    void redisKilled_certificatesAreNotAffectedAndSessionsReturn() throws Exception {
        try (RedisServer redis = RedisServer.start(directory.resolve("redis"));
                ServedBackend backend = BackendInJvm.start(
                        directory,
                        Map.of(
                                "STATE_PORT",
                                "off",
                                "STATE_TOKENS_FILE",
                                tokens().get("STATE_TOKENS_FILE"),
                                "SESSION_STORE",
                                "redis",
                                "REDIS_URI",
                                redis.uri()));
                Agent running = AgentHome.open(agent(backend.url()))) {
            Client client = new Client(backend.url());
            await().atMost(PATIENCE).until(() -> client.metric("flk_heartbeats_total") >= 2);

            redis.kill();

            await().atMost(PATIENCE)
                    .until(() -> client.metric("flk_session_requests_refused_total{reason=\"unavailable\",}") >= 1);
            await().atMost(PATIENCE).until(() -> Double.isNaN(client.metric("flk_sessions")));
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            assertThat(sessions(backend, 1, "token", "list")).contains("503: the sessions can't be reached now");

            double before = client.metric("flk_heartbeats_total");
            redis.restart();

            await().atMost(PATIENCE).until(() -> client.metric("flk_heartbeats_total") >= before + 2);
            assertThat(sessions(backend, 0, "token", "list")).contains("pump 7");
            assertThat(sessions(backend, 0, "token", "queue")).contains("waiting    0", "failed     0");
            assertThat(running.lockLost()).isEmpty();
        }
    }

    @Test
    void agentWithAnotherKey_heartbeatsAreRefused_andTheAgentWarns() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, tokens())) {
            Map<String, String> environment = agent(backend.url());
            environment.put("PCS_HMAC_KEY", "another key");
            try (Agent running = AgentHome.open(environment)) {
                backend.awaitLine(line -> line.contains(" WARN ")
                        && line.contains(backend.url()
                                + " does not accept this agent's heartbeats: the backend does not know its key"));

                assertThat(running.lockLost()).isEmpty();
                assertThat(new Client(backend.url()).metric("flk_heartbeats_total"))
                        .isZero();
            }
        }
    }
}
