// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.logs.SeenLogs;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.serve.guard.OperatorConfig.Login;
import dev.flk.backend.serve.guard.OperatorRefusals;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import dev.flk.program.config.Secret;
import dev.flk.program.logging.Audit;
import dev.flk.program.logging.Audit.AuditMetrics;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of the rule for operators' paths, and of what strangers can and can't occupy, on a real server. */
final class OperatorPathsTest {
    private static final Login LOGIN = new Login("ann", new Secret("s:ä"));
    private static final String RIGHT = authorization("ann:s:ä");
    private static final String WRONG = authorization("ann:x");
    private static final String CROSS_SITE = "Sec-Fetch-Site: cross-site";
    private static final String PREFIX = "/v1/pcs/abababababababababab";

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @TempDir
    private Path dir;

    private final MemoryRecord record = new MemoryRecord();
    private final ExecutorService threads = Executors.newCachedThreadPool();

    @BeforeEach
    void start() {
        server.logs = new SeenLogs(ServerFixture.NOW, Audit.none()).registered();
        server.record = record.outcomes();
        server.reviews = record.reviews(server.metrics, ServerFixture.NOW);
    }

    @AfterEach
    void close() {
        threads.shutdownNow();
        server.logs.close();
        record.close();
    }

    private static String authorization(String login) {
        return "Authorization: Basic " + Base64.getEncoder().encodeToString(login.getBytes(StandardCharsets.UTF_8));
    }

    private Reply get(String path, String host) throws IOException {
        return server.connect()
                .send("GET " + path + " HTTP/1.1\nHost: " + host + "\n\n")
                .read();
    }

    private String refused(String reason) {
        return server.sample("flk_operator_requests_refused_total{reason=\"" + reason + "\",}");
    }

    private void assertOperatorIsServed() throws IOException {
        for (String path : List.of(
                "/v1/outcomes",
                "/v1/outcomes/changes",
                "/v1/shards",
                "/v1/reviews",
                "/v1/logs",
                "/v1/agents",
                "/ui",
                "/ui/shards",
                "/metrics")) {
            assertThat(server.get(path, RIGHT).status()).as(path).isEqualTo(200);
        }
        assertThat(server.get(PREFIX, RIGHT).body()).isEqualTo("{\"error\":\"no outcome recorded\"}");
        assertThat(review(RIGHT).status()).isEqualTo(400);
        assertThat(change("POST /v1/outcomes/backup", RIGHT).status())
                .as("there are no outcomes in DEDUP_DIR")
                .isEqualTo(404);
        assertThat(change("POST /v1/logs/forget", RIGHT).status()).isEqualTo(400);
    }

    private Reply review(String authorization) throws IOException {
        return change("PUT /v1/reviews", authorization);
    }

    private Reply change(String request, String authorization) throws IOException {
        return server.connect()
                .send(request + " HTTP/1.1\nHost: h\n" + authorization + "\nContent-Length: 2\n\n{}")
                .read();
    }

    @Test
    void operatorsReads_twelveStrangersPipeline_areServed() throws Exception {
        server.login(LOGIN).heap(256 << 20);
        server.port();
        AtomicBoolean isOver = new AtomicBoolean();
        List<RawClient> strangers = new ArrayList<>();
        String all = request("GET", "/v1/agents").repeat(16)
                + request("PUT", "/v1/agents/a").repeat(4)
                + request("GET", "/v1/sessions").repeat(4)
                + request("GET", "/v1/outcomes").repeat(3)
                + request("GET", "/ui").repeat(2)
                + request("GET", "/metrics")
                + request("GET", PREFIX)
                + request("PUT", "/v1/reviews")
                + request("POST", "/v1/outcomes/backup")
                + request("GET", "/v1/logs")
                + request("POST", "/v1/logs/forget");
        for (int i = 0; i < 12; i++) {
            RawClient stranger = server.connect();
            strangers.add(stranger);
            threads.execute(() -> pipeline(stranger, all, isOver));
        }

        for (int round = 0; round < 30; round++) {
            assertThat(server.get("/v1/outcomes", RIGHT).status()).isEqualTo(200);
            assertThat(server.get("/ui", RIGHT).status()).isEqualTo(200);
            assertThat(server.get("/v1/agents", RIGHT).status()).isEqualTo(200);
        }

        isOver.set(true);
        assertThat(Double.parseDouble(refused("no login"))).isPositive();
        for (RawClient stranger : strangers) {
            stranger.close();
        }
    }

    private static String request(String method, String path) {
        return method + " " + path + " HTTP/1.1\nHost: h\n\n";
    }

    private static void pipeline(RawClient stranger, String requests, AtomicBoolean isOver) {
        int number = requests.split("\n\n", -1).length - 1;
        try {
            while (!isOver.get()) {
                stranger.send(requests);
                for (int i = 0; i < number; i++) {
                    stranger.read();
                }
            }
        } catch (IOException e) {
            // the test is over, and has closed the connection
        }
    }

    @Test
    void operatorsRequests_othersOccupyEverything_areServed() throws IOException {
        server.login(LOGIN).heap(256 << 20);
        assertThat(server.load().requests().take(1_000)).isTrue();
        assertThat(server.load().bodyBytes().take(48 << 20)).isTrue();
        assertThat(server.load().answerBytes().take(32 << 20)).isTrue();

        assertOperatorIsServed();
        assertThat(server.submit("x").status()).isEqualTo(503);
    }

    @Test
    void wrongLogins_areLimitedCountedAndAudited_andTheRightOneIsServed() throws Exception {
        try (Audit audit =
                Audit.open(dir, InstantSource.system(), System::nanoTime, new AuditMetrics(server.metrics))) {
            server.operatorRefusals.writeTo(audit);
            server.login(LOGIN).limits(new Limits.Sizes(BigDecimal.TEN, 10, null, BigDecimal.ZERO, 1, 1_000));
            for (int i = 0; i < OperatorRefusals.BURST; i++) {
                assertThat(server.get("/v1/outcomes", WRONG).status()).isEqualTo(401);
            }

            Reply throttled = server.get("/ui", WRONG);
            assertThat(throttled.status()).isEqualTo(429);
            assertThat(throttled.header("Retry-After")).isPresent();
            assertThat(throttled.body()).contains("Too many wrong logins");
            assertThat(review(WRONG).status()).isEqualTo(429);
            assertThat(change("POST /v1/outcomes/backup", WRONG).status()).isEqualTo(429);
            assertThat(change("POST /v1/logs/forget", WRONG).status()).isEqualTo(429);
            Reply asked = server.get("/ui");
            assertThat(asked.status()).isEqualTo(401);
            assertThat(asked.header("WWW-Authenticate")).isPresent();
            assertThat(asked.body()).contains("This page is for operators of the backend.");
            assertOperatorIsServed();

            assertThat(refused("wrong login")).isEqualTo(OperatorRefusals.BURST + ".0");
            assertThat(refused("throttled")).isEqualTo("4.0");
            assertThat(refused("no login")).isEqualTo("1.0");
            server.refusalNanos = Duration.ofMinutes(1).toNanos();
            assertThat(server.get("/ui", WRONG).status()).isEqualTo(401);
        }
        assertThat(Files.readAllLines(dir.resolve("audit.jsonl")))
                .filteredOn(line -> line.contains("operator_refused"))
                .hasSizeGreaterThan(3)
                .allMatch(line -> line.contains("\"address\":\"127.0.0.1\""))
                .anyMatch(line -> line.contains("\"reason\":\"wrong login\""))
                .anyMatch(line -> line.contains("\"reason\":\"throttled\""))
                .noneMatch(line -> line.contains("YW5u"));
    }

    static List<String> paths() {
        return List.of(
                "/ui/events",
                "/ui/outcomes.csv",
                "/ui/outcomes.ndjson",
                "/v1/outcomes",
                "/v1/outcomes/changes",
                "/v1/outcomes/changes?follow=true",
                "/v1/shards",
                "/v1/shards/a/outcomes",
                "/v1/reviews",
                "/v1/logs",
                "/v1/agents",
                "/metrics",
                PREFIX);
    }

    @ParameterizedTest
    @MethodSource("paths")
    @ValueSource(strings = {"/ui", "/ui/shards"})
    void foreignHost_withoutLogin_isRefused(String path) throws IOException {
        server.hosts("backend");

        for (String host :
                List.of("rebound.example", "rebound.example:8080", "localhost.example", "127.0.0.1.example")) {
            assertThat(get(path, host).status()).as(host).isEqualTo(403);
        }
        assertThat(refused("host")).isEqualTo("4.0");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "localhost",
                "LocalHost:1",
                "127.0.0.1:8080",
                "[::1]:8080",
                "10.1.2.3:8080",
                "[fd00::1]",
                "Backend:80"
            })
    void knownHost_withoutLogin_isServed(String host) throws IOException {
        server.hosts("backend");

        for (String path : List.of("/metrics", "/ui", "/v1/outcomes")) {
            assertThat(get(path, host).status()).as(path).isEqualTo(200);
        }
    }

    @Test
    void openPathsAndAnyHostWithLogin_areServed() throws IOException {
        server.hosts().login(LOGIN);

        assertThat(get("/health", "rebound.example").status()).isEqualTo(200);
        assertThat(get("/readyz", "rebound.example").status()).isEqualTo(200);
        assertThat(get("/v1/pcs/" + "0".repeat(64), "rebound.example").status()).isEqualTo(404);
        assertThat(server.connect()
                        .send("GET /v1/outcomes HTTP/1.1\nHost: backend.example\n" + RIGHT + "\n\n")
                        .read()
                        .status())
                .isEqualTo(200);
    }

    @ParameterizedTest
    @MethodSource("paths")
    void crossSiteRequest_evenANavigation_isRefused(String path) throws IOException {
        for (String mode : List.of("no-cors", "cors", "navigate")) {
            assertThat(server.get(path, CROSS_SITE, "Sec-Fetch-Mode: " + mode).status())
                    .as(mode)
                    .isEqualTo(403);
        }
        assertThat(refused("site")).isEqualTo("3.0");
        assertThat(server.get(path, "Sec-Fetch-Site: same-origin").status()).isNotEqualTo(403);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "Bearer all"})
    void crossSiteRequest_forPathsOfAgents_isRefused_andIsNoFailureOfTheAddress(String token) throws IOException {
        String authorization = "Authorization: " + token + "\n";
        for (String request : List.of(
                "POST /v1/pcs/submit",
                "POST /v1/pcs/batch",
                "GET /v1/pcs/" + "0".repeat(64),
                "PUT /v1/agents/a",
                "PUT /v1/sessions/a")) {
            assertThat(change(request, authorization + CROSS_SITE).status())
                    .as(request)
                    .isEqualTo(403);
        }
        assertThat(change("PUT /v1/agents/a", "X-Any: x").status())
                .as("unsigned")
                .isEqualTo(401);
    }

    @Test
    void crossSiteRequestForAPage_isServedOnlyIfItIsANavigation() throws IOException {
        for (String path : List.of("/ui", "/ui/shards", "/ui/review", "/ui/outcomes?verdict=rejected")) {
            assertThat(server.get(path, CROSS_SITE, "Sec-Fetch-Mode: navigate").status())
                    .as(path)
                    .isEqualTo(200);
            assertThat(server.get(path, CROSS_SITE, "Sec-Fetch-Mode: no-cors").status())
                    .as(path)
                    .isEqualTo(403);
        }
    }

    @Test
    void crossSiteRequest_withLogin_isRefused() throws IOException {
        server.login(LOGIN);

        assertThat(server.get("/v1/outcomes", RIGHT, CROSS_SITE).status()).isEqualTo(403);
        assertThat(server.get("/ui", RIGHT, CROSS_SITE, "Sec-Fetch-Mode: navigate")
                        .status())
                .isEqualTo(200);
    }
}
