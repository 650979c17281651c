// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.inbox.InboxDirectory;
import dev.flk.sample.Pcs;
import dev.flk.testkit.DirectoryTree;
import dev.flk.testkit.RedisServer;
import dev.flk.wal.LogInspector;
import dev.flk.wal.files.DiskFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

final class BackendTest {
    /** The longest time until a backend shows what another one has reported. */
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    @TempDir
    private Path directory;

    @Test
    void started_answersStartingUntilItServes() throws Exception {
        Map<String, String> settings = Map.of(
                "PORT", "0",
                "BIND_ADDR", "127.0.0.1",
                "DEDUP_BACKEND", "memory",
                "PCS_SIGN_ALG", "none",
                "WAL_DIR", directory.resolve("wal").toString());
        try (Backend backend =
                Backend.start(BackendConfig.load(settings, null), "test", () -> BackendConfig.load(settings, null))) {
            HttpResponse<String> ready = get(backend, "/readyz");
            assertThat(ready.statusCode()).isEqualTo(503);
            assertThat(ready.body()).contains("\"ready\":false").contains("starting");
            for (HttpResponse<String> answer :
                    List.of(post(backend, "/v1/pcs/submit"), get(backend, "/v1/pcs/" + "ab".repeat(32)))) {
                assertThat(answer.statusCode()).isEqualTo(503);
                assertThat(answer.body()).isEqualTo("{\"error\":\"starting\"}");
                assertThat(answer.headers().firstValueAsLong("Retry-After").orElse(0))
                        .isPositive();
            }
            assertThat(post(backend, "/v1/pcs/batch").body())
                    .matches("\\{\"status\":503,\"body\":\\{\"error\":\"starting\"},\"retry_after\":[1-9][0-9]*}\n");
            assertThat(get(backend, "/health").statusCode()).isEqualTo(200);
            assertThat(get(backend, "/metrics").body()).contains("\nflk_ingest_total 0");

            backend.serve();

            assertThat(get(backend, "/readyz").statusCode()).isEqualTo(200);
            assertThat(post(backend, "/v1/pcs/submit").statusCode()).isEqualTo(400);
        }
    }

    @Test
    void archiveCommand_hasTheWholeLogAfterACleanEnd_andWithoutItNothingWaits() throws Exception {
        Path archive = Files.createDirectory(directory.resolve("archive"));
        Map<String, String> settings = new HashMap<>(Map.of(
                "PORT", "0",
                "BIND_ADDR", "127.0.0.1",
                "DEDUP_BACKEND", "memory",
                "PCS_SIGN_ALG", "none",
                "STATE_PORT", "off",
                "WAL_ARCHIVE_COMMAND", "cp %p '" + archive + "/%f'",
                "WAL_DIR", directory.resolve("wal").toString()));
        newLog().createLog();
        try (Backend backend = start(settings)) {
            backend.serve();
            assertThat(submit(backend).statusCode()).isEqualTo(200);
        }
        assertThat(new LogInspector(new DiskFiles(), archive, "inbox").verify().records())
                .isEqualTo(1);
        assertThat(directory.resolve("wal/inbox.archived")).exists();

        settings.remove("WAL_ARCHIVE_COMMAND");
        BackendConfig without = BackendConfig.load(settings, null);
        Backend.start(without, "test", () -> without).close();
        assertThat(directory.resolve("wal/inbox.archived")).doesNotExist();
    }

    private Map<String, String> settings(Map<String, String> more) {
        Map<String, String> settings = new HashMap<>(Map.of(
                "PORT", "0",
                "BIND_ADDR", "127.0.0.1",
                "PCS_SIGN_ALG", "none",
                "STATE_PORT", "off",
                "LOG_NAME", "a",
                "DEDUP_DIR", directory.resolve("dedup").toString(),
                "WAL_DIR", directory.resolve("wal").toString()));
        settings.putAll(more);
        return settings;
    }

    private static Backend start(Map<String, String> settings) throws IOException {
        BackendConfig config = BackendConfig.load(settings, null);
        return Backend.start(config, "test", () -> config);
    }

    private void loseTheLog() throws IOException {
        Files.move(directory.resolve("wal"), directory.resolve("lost"));
    }

    @Test
    void walDirIsEmpty_dedupDirHasOutcomesOfALog_isRefused() throws Exception {
        start(settings(Map.of())).close();
        loseTheLog();

        assertThatThrownBy(() -> start(settings(Map.of())))
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith("WAL_DIR, " + directory.resolve("wal") + ", has no log, but DEDUP_DIR has the"
                        + " outcomes of the log ")
                .hasMessageContaining("'flk-backend wal init --new'")
                .hasMessageNotContaining("LOG_NAME");
        assertThat(directory.resolve("wal")).doesNotExist();
    }

    /** Simulates a kill with a copy of DEDUP_DIR, which has the content that a killed process would leave. */
    @Test
    void walDirIsEmptyAfterAKill_dedupDirHasOutcomesOfALog_isRefused() throws Exception {
        Path killed = directory.resolve("killed");
        try (Backend backend = start(settings(Map.of()))) {
            backend.serve();
            assertThat(submit(backend).statusCode()).isEqualTo(200);
            DirectoryTree.copy(directory.resolve("dedup"), killed);
        }
        loseTheLog();

        Map<String, String> settings = settings(Map.of("DEDUP_DIR", killed.toString()));
        assertThatThrownBy(() -> start(settings))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("has no log, but DEDUP_DIR has the outcomes of the log ");
        assertThat(directory.resolve("wal")).doesNotExist();
    }

    @Test
    void walDirIsEmpty_dedupDirIsDamaged_isRefused() throws Exception {
        start(settings(Map.of())).close();
        loseTheLog();
        Path dedup = directory.resolve("dedup");
        Files.writeString(
                dedup.resolve(Files.readString(dedup.resolve("CURRENT")).strip()), "damaged");

        for (int i = 0; i < 2; i++) {
            assertThatThrownBy(() -> start(settings(Map.of())))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("has no log, but DEDUP_DIR has a damaged store");
        }
    }

    @Test
    void diskIsEmpty_withAnArchive_startsOnlyOnPurpose() throws Exception {
        Map<String, String> settings = settings(Map.of("WAL_ARCHIVE_COMMAND", "cp %p /archive/%f"));

        for (int i = 0; i < 2; i++) {
            assertThatThrownBy(() -> start(settings))
                    .isInstanceOf(IOException.class)
                    .hasMessageStartingWith("WAL_DIR, " + directory.resolve("wal") + ", has no log, and"
                            + " WAL_ARCHIVE_COMMAND is set: the log may be lost, and in the archive. Restore it with")
                    .hasMessageEndingWith("if this backend is new, begin its log with 'flk-backend wal init --new'");
            assertThat(directory.resolve("wal")).as("can be restored").doesNotExist();
        }
        newLog().createLog();
        start(settings).close();
        start(settings).close();
    }

    private InboxDirectory newLog() {
        return new InboxDirectory(new DiskFiles(), directory.resolve("wal"), new Random(1), "a test");
    }

    /** The registry is made unusable by a value of another type under its key. */
    @Test
    void newLog_registryFails_nothingIsDecidedBeforeTheRegistryHasTheLog() throws Exception {
        try (RedisServer redis = RedisServer.start(directory.resolve("redis"))) {
            redis.send("LPUSH", "flk:logs", "not a registry");
            newLog().createLog();
            try (Backend backend = start(settings(redis.configuration()))) {
                backend.serve();
                await().until(() -> get(backend, "/readyz").body().contains("unavailable: "));
                assertThat(submit(backend).statusCode()).isEqualTo(503);
                redis.send("DEL", "flk:logs");
                await().until(() -> submit(backend).statusCode() == 200);
                assertThat(redis.send("GET", "flk:logs").toString()).contains("\"name\":\"a\"");
            }
        }
    }

    @Test
    void walDirIsEmpty_storeKnowsALogOfThisName_isRefused_andOtherNamesStart() throws Exception {
        try (RedisServer redis = RedisServer.start(directory.resolve("redis"))) {
            Map<String, String> settings = settings(redis.configuration());
            start(settings).close();
            start(settings).close();
            loseTheLog();

            assertThatThrownBy(() -> start(settings))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("has no log, but the store knows the log ")
                    .message()
                    .containsPattern(" as a, with 0 records: instance [0-9a-f]{16} on [^ ]+:0 had it from 20[^ ]+Z to"
                            + " 20[^ ]+Z\\. Bring its disk back; or restore it with")
                    .endsWith("; if another backend has that log, set another LOG_NAME");
            settings.put("LOG_NAME", "b");
            start(settings).close();
        }
    }

    @Test
    void twoBackends_shareTheRates_andEachPageListsBoth() throws Exception {
        try (RedisServer redis = RedisServer.start(directory.resolve("redis"))) {
            Map<String, String> settings = settings(redis.configuration());
            settings.putAll(Map.of("RATE_SHARED", "on", "TOKEN_RATE", "0.001", "TOKEN_BURST", "4"));
            Map<String, String> others = new HashMap<>(settings);
            others.putAll(Map.of(
                    "LOG_NAME", "b",
                    "TOL_D", "0.2",
                    "UI_URL", "https://b.example/ui",
                    "DEDUP_DIR", directory.resolve("dedup-b").toString(),
                    "WAL_DIR", directory.resolve("wal-b").toString()));
            try (Backend backend = start(settings)) {
                backend.serve();
                assertThat(get(backend, "/metrics").body()).contains("\nflk_rate_share 1.0\n");
                assertThat(get(backend, "/ui").body()).doesNotContain("Backends of this store");
                try (Backend other = start(others)) {
                    other.serve();
                    await().atMost(PATIENCE)
                            .untilAsserted(() -> assertThat(get(backend, "/ui").body())
                                    .containsSubsequence(">b</a>", "waiting for a decision\">0<"));
                    assertThat(get(backend, "/ui").body())
                            .contains(">a (this one)<", "<a href=\"https://b.example/ui\">b</a>", " (differs)</td>");
                    assertThat(get(other, "/ui").body()).contains(">a</th>", ">b (this one)<");
                    await().atMost(PATIENCE) // the record is opened after the start
                            .untilAsserted(() -> assertThat(
                                            get(backend, "/ui/outcomes").body())
                                    .contains("Only the certificates of this backend, a; another one has its own."));
                    assertThat(get(backend, "/v1/logs").body())
                            .contains("\"figures\":{\"url\":\"https://b.example/ui\",");
                    for (Backend each : List.of(backend, other)) {
                        await().atMost(PATIENCE)
                                .until(() -> get(each, "/metrics").body().contains("\nflk_rate_share 0.5\n"));
                        List<Integer> statuses = new ArrayList<>();
                        for (int sent = 0; sent < 6; sent++) {
                            statuses.add(post(each, "/v1/pcs/submit").statusCode());
                        }
                        assertThat(statuses).containsExactly(400, 400, 429, 429, 429, 429);
                    }
                }
                await().atMost(PATIENCE)
                        .until(() -> get(backend, "/metrics").body().contains("\nflk_rate_share 1.0\n"));
                assertThat(get(backend, "/ui/outcomes").body()).doesNotContain("of this backend, a");
            }
        }
    }

    @Test
    void walDirIsEmpty_storeIsDown_waitsForIt() throws Exception {
        try (RedisServer redis = RedisServer.start(directory.resolve("redis"))) {
            redis.kill();
            Logger log = (Logger) LoggerFactory.getLogger("dev.flk.backend.logs");
            ListAppender<ILoggingEvent> lines = new ListAppender<>();
            lines.start();
            log.addAppender(lines);
            CompletableFuture<Backend> started = CompletableFuture.supplyAsync(() -> {
                try {
                    return start(settings(redis.configuration()));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            try {
                await().until(() -> List.copyOf(lines.list).stream()
                        .anyMatch(line -> line.getFormattedMessage()
                                .startsWith("Error reaching Redis: 127.0.0.1:" + redis.port() + " refused")));
                redis.restart();
                started.get(60, TimeUnit.SECONDS).close();
            } finally {
                log.detachAppender(lines);
            }
        }
    }

    private static HttpResponse<String> get(Backend backend, String path) throws IOException, InterruptedException {
        return send(request(backend, path));
    }

    /** Sends a body that is not a certificate. */
    private static HttpResponse<String> post(Backend backend, String path) throws IOException, InterruptedException {
        return send(request(backend, path).POST(BodyPublishers.ofString("{}")));
    }

    /** Sends a certificate, always the same. */
    private static HttpResponse<String> submit(Backend backend) throws IOException, InterruptedException {
        return send(request(backend, "/v1/pcs/submit")
                .POST(BodyPublishers.ofByteArray(Pcs.number(1).bytes())));
    }

    private static HttpRequest.Builder request(Backend backend, String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + backend.port() + path));
    }

    private static HttpResponse<String> send(HttpRequest.Builder request) throws IOException, InterruptedException {
        return HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofString());
    }
}
