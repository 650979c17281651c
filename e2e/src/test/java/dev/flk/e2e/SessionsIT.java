// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.testkit.RedisServer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of sessions, and of the command that shows them to an operator. */
final class SessionsIT {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final String TOKEN = "the token of an operator";

    @TempDir
    private Path directory;

    @BeforeEach
    void makeFiles() throws Exception {
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
        return Map.of("STATE_TOKENS_FILE", directory.resolve("tokens.json").toString());
    }

    /** Runs {@code flk-state sessions}, checks its exit code, and returns its output. */
    private String sessions(ServedBackend backend, int exitCode, String token, String... args) {
        List<String> all = new ArrayList<>(List.of("sessions"));
        all.addAll(List.of(args));
        all.addAll(List.of(
                "--url", backend.url(), "--token-file", directory.resolve(token).toString()));
        return Command.ofState(Map.of(), all.toArray(String[]::new))
                .exits(exitCode)
                .all();
    }

    @Test
    void session_isShownByTheCommand_andSurvivesAKilledProgram() throws Exception {
        try (BackendProcess program = StateInJvm.process(directory, tokens())) {
            assertThat(sessions(program, 0, "token", "set", "pump 7", "{\"pending\":0}"))
                    .contains("version 1");
            await().atMost(PATIENCE).until(() -> new Client(program.url()).metric("flk_sessions") == 1);
            JsonNode session = StrictJson.read(sessions(program, 0, "token", "get", "pump 7", "--json"));
            assertThat(session.path("version").asLong()).isEqualTo(1);
            assertThat(session.path("expires_in").asLong()).isBetween(3_000L, 3_600L);
            assertThat(session.path("state").path("pending").asLong(-1)).isZero();
            assertThat(sessions(program, 0, "token", "list")).contains("pump 7");
            try (Program watch = Program.java(
                    "flk-state",
                    directory,
                    Map.of(),
                    Program.QUICK_START,
                    "sessions",
                    "watch",
                    "--url",
                    program.url(),
                    "--token-file",
                    "token")) {
                await().atMost(PATIENCE).until(() -> {
                    sessions(program, 0, "token", "set", "pump 7", "{\"pending\":0}");
                    return watch.allLines().contains("  pump 7  {\"pending\":");
                });
            }
            assertThat(sessions(program, 1, "wrong", "list")).contains("the server answered 401: unauthorized");
            program.program().kill();
        }

        try (ServedBackend again = StateInJvm.start(directory, tokens())) {
            await().atMost(PATIENCE).until(() -> new Client(again.url()).metric("flk_state_up") == 1);
            assertThat(sessions(again, 0, "token", "get", "pump 7")).contains("\"pending\":0");
            assertThat(sessions(again, 0, "token", "list", "--silent", "1h")).contains("no session");
            assertThat(sessions(again, 0, "token", "set", "pump 7/note", "{\"a\":1}", "--if-version", "0"))
                    .contains("version 1");
            assertThat(sessions(again, 1, "token", "set", "pump 7/note", "{\"a\":2}", "--if-version", "0"))
                    .contains("the server answered 412: Concurrent modification detected: the session has version 1");
            assertThat(sessions(again, 1, "token", "set", "valve", "{}")).contains("the server answered 403: ");
            assertThat(sessions(again, 0, "token", "delete", "pump 7/note")).contains("version 2");
            assertThat(sessions(again, 1, "token", "get", "pump 7/note"))
                    .contains("the server answered 404: the session was deleted");
        }
    }

    @Test
    @Tag("thorough")
    void redisKilled_sessionsReturn() throws Exception {
        try (RedisServer redis = RedisServer.start(directory.resolve("redis"));
                ServedBackend program = StateInJvm.start(
                        directory,
                        Map.of(
                                "STATE_PORT",
                                "off",
                                "STATE_TOKENS_FILE",
                                tokens().get("STATE_TOKENS_FILE"),
                                "SESSION_STORE",
                                "redis",
                                "REDIS_URI",
                                redis.uri()))) {
            Client client = new Client(program.url());
            await().atMost(PATIENCE).until(() -> client.metric("flk_sessions") == 0);
            assertThat(sessions(program, 0, "token", "set", "pump 7", "{}")).contains("version 1");

            redis.kill();

            await().atMost(PATIENCE).until(() -> Double.isNaN(client.metric("flk_sessions")));
            assertThat(sessions(program, 1, "token", "list")).contains("503: the sessions can't be reached now");
            redis.restart();

            // this Redis keeps nothing on disk
            await().atMost(PATIENCE).until(() -> client.metric("flk_sessions") == 0);
            assertThat(sessions(program, 0, "token", "set", "pump 7", "{}")).contains("version ");
            assertThat(sessions(program, 0, "token", "list")).contains("pump 7");
            assertThat(sessions(program, 0, "token", "queue")).contains("waiting    0", "failed     0");
        }
    }
}
