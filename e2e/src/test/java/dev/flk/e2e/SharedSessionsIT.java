// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.sample.Pcs;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.message.MessageSigner;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.RedisServer;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of sessions that two real programs share in one Redis, and of their copy in Postgres. */
final class SharedSessionsIT {
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final int SESSIONS = 10;
    private static final int CHANGES = 4 * SESSIONS;
    private static final String TOKEN = "the token of an operator";

    @TempDir
    private Path directory;

    private final HttpClient http = HttpClient.newHttpClient();

    @BeforeEach
    void makeTokens() throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(TOKEN.getBytes(StandardCharsets.UTF_8));
        Files.writeString(
                directory.resolve("tokens.json"),
                "{\"version\": 1, \"tokens\": [{\"name\": \"operator\", \"sha256\": \""
                        + HexFormat.of().formatHex(digest)
                        + "\", \"read\": [\"sessions/\"], \"write\": [\"sessions/\"]}]}");
    }

    private Map<String, String> environment(RedisServer redis, Map<String, String> more) {
        Map<String, String> environment = new HashMap<>(more);
        environment.put("STATE_TOKENS_FILE", directory.resolve("tokens.json").toString());
        environment.put("SESSION_STORE", "redis");
        environment.put("REDIS_URI", redis.uri());
        return environment;
    }

    private ServedBackend backend(String name, RedisServer redis, Map<String, String> more) throws IOException {
        return StateInJvm.start(Files.createDirectory(directory.resolve(name)), environment(redis, more));
    }

    /** Changes a session and returns its new version. */
    private long put(ServedBackend backend, String id, String json) throws IOException, InterruptedException {
        HttpResponse<String> response = http.send(
                HttpRequest.newBuilder(URI.create(backend.url() + "/v1/sessions/" + id))
                        .header("Authorization", "Bearer " + TOKEN)
                        .timeout(PATIENCE)
                        .PUT(BodyPublishers.ofString(json))
                        .build(),
                BodyHandlers.ofString());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return StrictJson.read(response.body()).path("version").asLong();
    }

    /** Sends an agent's heartbeat with an existing signature, and returns the status. */
    private int beat(ServedBackend backend, Map<String, String> signature) throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(backend.url() + "/v1/sessions/pump"));
        signature.forEach(request::header);
        return http.send(request.PUT(BodyPublishers.ofString("{}")).build(), BodyHandlers.ofString())
                .statusCode();
    }

    @Test
    void signedRequest_throughBothBackends_isAcceptedOnce() throws Exception {
        try (RedisServer redis = RedisServer.start(directory.resolve("redis"));
                ServedBackend one = backend("one", redis, Map.of());
                ServedBackend other = backend("other", redis, Map.of())) {
            awaitServing(one);
            awaitServing(other);
            Map<String, String> signature = MessageSigner.of(new HmacSigner(Pcs.KEY))
                    .sign(
                            "PUT",
                            "/v1/sessions/pump",
                            Map.of(),
                            "{}".getBytes(StandardCharsets.UTF_8),
                            Instant.now(),
                            "nonce-1");

            assertThat(beat(one, signature)).isEqualTo(200);
            assertThat(beat(other, signature)).isEqualTo(401);
            assertThat(new Client(other.url()).metric("flk_session_requests_refused_total{reason=\"replayed\",}"))
                    .isEqualTo(1);
        }
    }

    /** Blocks until a backend serves sessions, which is when it reports a missing session as unknown. */
    private void awaitServing(ServedBackend backend) {
        HttpRequest missing = HttpRequest.newBuilder(URI.create(backend.url() + "/v1/sessions/missing"))
                .header("Authorization", "Bearer " + TOKEN)
                .build();
        await().atMost(PATIENCE)
                .until(() -> http.send(missing, BodyHandlers.ofString()).body().contains("\"unknown\""));
    }

    @Test
    @Tag("thorough")
    void postgresStoppedAndBackendKilled_eachChangeIsWrittenOnce() throws Exception {
        try (PostgresServer postgres = PostgresServer.start();
                RedisServer redis = RedisServer.start(directory.resolve("redis"))) {
            String database = postgres.newDatabase();
            Map<String, String> copy = Map.of("SESSION_DATABASE_URL", postgres.uri(database));
            try (BackendProcess one = StateInJvm.process(
                            Files.createDirectory(directory.resolve("one")), environment(redis, copy));
                    ServedBackend other = backend("other", redis, copy)) {
                awaitServing(one);
                awaitServing(other);
                Map<String, Long> versions = new HashMap<>();
                change(List.of(one, other), versions);
                postgres.stop();
                change(List.of(one, other), versions);
                one.program().kill();
                change(List.of(other), versions);
                postgres.restart();
                change(List.of(other), versions);

                long all = versions.values().stream().mapToLong(Long::longValue).sum();
                await().atMost(PATIENCE)
                        .until(() -> postgres.number(database, "SELECT count(*) FROM sync_events") == all);
                versions.forEach((id, version) -> assertThat(
                                postgres.number(database, "SELECT version FROM sync_sessions WHERE id = '" + id + "'"))
                        .as(id)
                        .isEqualTo(version));
                for (String state : List.of("waiting", "active")) {
                    String pending = "flk_session_writes_pending{state=\"" + state + "\",}";
                    await().atMost(PATIENCE).until(() -> new Client(other.url()).metric(pending) == 0);
                }
            }
        }
    }

    /** Changes each session several times through these backends in turn, and notes the newest versions. */
    private void change(List<ServedBackend> backends, Map<String, Long> versions) throws Exception {
        for (int n = 0; n < CHANGES; n++) {
            String id = "pump/" + n % SESSIONS;
            versions.put(id, put(backends.get(n / SESSIONS % backends.size()), id, "{\"n\":\"" + n + "\"}"));
        }
    }
}
