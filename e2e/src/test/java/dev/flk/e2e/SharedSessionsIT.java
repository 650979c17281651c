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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of sessions that two real backends share in one Redis, and of their copy in Postgres, during a total of up to
 * 1,000 changes per second. {@code -Dflk.outageSeconds=60} makes the Postgres outage last for one minute's worth of
 * changes.
 */
final class SharedSessionsIT {
    private static final int OUTAGE_SECONDS = Integer.getInteger("flk.outageSeconds", 4);
    /**
     * The time limit for a condition, which suffices for the changes of an outage on a machine that reaches only a
     * tenth of the rate.
     */
    private static final Duration PATIENCE = Duration.ofMinutes(2).plusSeconds(10L * OUTAGE_SECONDS);

    private static final int SESSIONS = 100;
    /** Enough for the rate, although each update waits a moment for others ({@code GroupedUpdates}). */
    private static final int THREADS = 64;

    private static final int CHANGES_A_SECOND = 1_000;
    private static final String TOKEN = "the token of an operator";

    @TempDir
    private Path directory;

    private final HttpClient http = HttpClient.newHttpClient();
    private final AtomicLong changes = new AtomicLong();
    /** The newest version that a backend answered, by session. */
    private final Map<String, Long> answered = new ConcurrentHashMap<>();

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
        return BackendInJvm.start(Files.createDirectory(directory.resolve(name)), environment(redis, more));
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
        if (response.body().contains("the sessions can't be reached now")) {
            throw new IOException("Redis did not answer in time: " + response.body());
        }
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        long version = StrictJson.read(response.body()).path("version").asLong();
        answered.merge(id, version, Math::max);
        return version;
    }

    /** Changes a session, repeatedly while Redis does not answer in time, and returns its new version. */
    private long putOnceReachable(ServedBackend backend, String id, String json) {
        AtomicLong version = new AtomicLong();
        await().atMost(PATIENCE).ignoreException(IOException.class).until(() -> {
            version.set(put(backend, id, json));
            return true;
        });
        return version.get();
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

    /** Changes the next session through the first backend that answers. */
    private void change(List<ServedBackend> backends) {
        long n = changes.getAndIncrement();
        String id = "pump/" + n % SESSIONS;
        for (int i = 0; i < backends.size(); i++) {
            ServedBackend backend = backends.get((int) (n + i) % backends.size());
            try {
                put(backend, id, "{\"n\":\"" + n + "\"}");
                return;
            } catch (IOException e) {
                // The backend was killed, or Redis was slow. A change that was stored nevertheless is stored twice.
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    @Test
    @Tag("thorough")
    void postgresStoppedAndBackendKilled_eachValidChangeIsWrittenOnce() throws Exception {
        try (PostgresServer postgres = PostgresServer.start();
                RedisServer redis = RedisServer.start(directory.resolve("redis"))) {
            String database = postgres.newDatabase();
            Map<String, String> copy = Map.of("SESSION_DATABASE_URL", postgres.uri(database));
            try (BackendProcess one = BackendProcess.start(
                            Files.createDirectory(directory.resolve("one")), environment(redis, copy));
                    ServedBackend other = backend("other", redis, copy)) {
                awaitServing(one);
                awaitServing(other);
                postgres.execute(database, "ALTER TABLE sync_events ADD CHECK (state ->> 'n' <> 'bad')");
                List<Future<?>> running = new ArrayList<>();
                ScheduledExecutorService writers = Executors.newScheduledThreadPool(THREADS);
                try {
                    for (int i = 0; i < THREADS; i++) {
                        running.add(writers.scheduleAtFixedRate(
                                () -> change(List.of(one, other)),
                                0,
                                THREADS * 1_000_000L / CHANGES_A_SECOND,
                                TimeUnit.MICROSECONDS));
                    }
                    await().atMost(PATIENCE).until(() -> changes.get() > CHANGES_A_SECOND);
                    postgres.stop();
                    long begun = changes.get();
                    put(other, "bad", "{\"n\":\"bad\"}");
                    long half = begun + CHANGES_A_SECOND * OUTAGE_SECONDS / 2;
                    await().atMost(PATIENCE).until(() -> changes.get() > half);
                    one.program().kill();
                    await().atMost(PATIENCE).until(() -> changes.get() > half + half - begun);
                    postgres.restart();
                    long restarted = changes.get();
                    await().atMost(PATIENCE).until(() -> changes.get() > restarted + CHANGES_A_SECOND);
                    // a writer is done only if a backend refused a change
                    assertThat(running).noneMatch(Future::isDone);
                } finally {
                    writers.shutdown();
                    assertThat(writers.awaitTermination(PATIENCE.toSeconds(), TimeUnit.SECONDS))
                            .isTrue();
                }
                assertThat(answered).hasSize(SESSIONS + 1);

                // A change that the killed backend stored without answering also counts as a version.
                List<String> ids = new ArrayList<>(answered.keySet());
                ids.remove("bad");
                long events = 0;
                for (String id : ids) {
                    events += putOnceReachable(other, id, "{\"n\":\"last\"}");
                }
                long all = events;
                await().atMost(PATIENCE)
                        .until(() -> postgres.number(database, "SELECT count(*) FROM sync_events") == all);
                for (String id : ids) {
                    assertThat(postgres.text(
                                    database,
                                    "SELECT version || ' ' || (state ->> 'n') FROM sync_sessions WHERE id = '" + id
                                            + "'"))
                            .isEqualTo(answered.get(id) + " last");
                }
                Client client = new Client(other.url());
                await().atMost(PATIENCE)
                        .until(() -> client.metric("flk_session_writes_pending{state=\"waiting\",}") == 0
                                && client.metric("flk_session_writes_pending{state=\"active\",}") == 0);
                await().atMost(PATIENCE)
                        .until(() -> redis.send("XLEN", "session-changes-dead")
                                .get(0)
                                .equals(":1"));
                assertThat(postgres.number(database, "SELECT count(*) FROM sync_sessions WHERE id = 'bad'"))
                        .isZero();
            }
        }
    }
}
