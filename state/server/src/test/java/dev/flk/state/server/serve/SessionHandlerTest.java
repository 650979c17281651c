// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.sessions.Session;
import dev.flk.backend.sessions.SessionAccess;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.sessions.Sessions;
import dev.flk.backend.sessions.StateSessions;
import dev.flk.backend.state.MemoryEngine;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.message.MessageSigner;
import dev.flk.state.StateEngine;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of session requests to a real server whose state is in memory. */
final class SessionHandlerTest {
    private static final JsonMapper JSON = new JsonMapper();
    private static final SessionConfig CONFIG = SessionConfig.inState(Duration.ofHours(1), Duration.ofMinutes(5));
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final MessageSigner SIGNER = MessageSigner.of(new HmacSigner("secret"));
    private static final String ALL = "Bearer all";

    @RegisterExtension
    private final HttpFixture server = new HttpFixture();

    private volatile Instant now = HttpFixture.NOW;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private StateEngine engine;
    private Sessions sessions;

    @BeforeEach
    void start() {
        engine = MemoryEngine.started(() -> now);
        SessionAccess access = new SessionAccess(
                Signatures.anyOf(0, SignatureCheck.hmac(List.of("secret"))),
                (token, namespace, prefix, writes) -> {
                    assertThat(namespace).isEqualTo("sessions");
                    return switch (token) {
                        case "all" -> Optional.of(true);
                        case "readsPump" -> Optional.of(!writes && prefix.startsWith("pump"));
                        default -> Optional.empty();
                    };
                },
                () -> now);
        sessions = Sessions.start(
                new StateSessions(engine, CONFIG.ttl(), () -> now), access, CONFIG, server.sessionMetrics);
        server.sessions = sessions;
    }

    @AfterEach
    void close() {
        threads.shutdownNow();
        sessions.close();
        engine.close();
    }

    private HttpResponse<String> send(String method, String target, String body, String... headers)
            throws IOException, InterruptedException {
        return server.send(method, target, body, headers);
    }

    private HttpResponse<String> asOperator(String method, String target, String body, String... headers)
            throws IOException, InterruptedException {
        List<String> all = new ArrayList<>(List.of("Authorization", ALL));
        all.addAll(List.of(headers));
        return send(method, target, body, all.toArray(String[]::new));
    }

    private HttpResponse<String> signed(String method, String target, String body, Instant created, String nonce)
            throws IOException, InterruptedException {
        return send(method, target, body, headers(method, target, body, created, nonce));
    }

    private static String[] headers(String method, String target, String body, Instant created, String nonce) {
        return SIGNER
                .sign(method, target, Map.of(), body.getBytes(StandardCharsets.UTF_8), created, nonce)
                .entrySet()
                .stream()
                .flatMap(header -> List.of(header.getKey(), header.getValue()).stream())
                .toArray(String[]::new);
    }

    private String refused(String reason) {
        return server.sample("flk_session_requests_refused_total{reason=\"" + reason + "\",}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"X-Any", "If-None-Match"})
    void delete_missingSession_returnsAVersionWithoutATime(String header) throws Exception {
        HttpResponse<String> answer = asOperator("DELETE", "/v1/sessions/pump-7", "", header, "*");
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(JSON.readTree(answer.body())).isEqualTo(JSON.readTree("{\"id\":\"pump-7\",\"version\":0}"));
    }

    @Test
    void list_largeSessions_endsPageEarly() throws Exception {
        String large = "{\"a\":\"" + "x".repeat(60_000) + "\"}";
        for (int i = 0; i < 20; i++) {
            asOperator("PUT", "/v1/sessions/pump-" + (10 + i), large);
        }
        JsonNode first = JSON.readTree(asOperator("GET", "/v1/sessions", "").body());
        assertThat(first.path("sessions")).hasSize(17); // 17 * 60,008 characters are below 1 MiB
        assertThat(first.path("page").asText()).isEqualTo("pump-26");
        JsonNode rest =
                JSON.readTree(asOperator("GET", "/v1/sessions?page=pump-26", "").body());
        assertThat(rest.path("sessions")).hasSize(3);
        assertThat(rest.has("page")).isFalse();
    }

    @Test
    void session_isCreatedReplacedReadAndDeleted() throws Exception {
        HttpResponse<String> created =
                asOperator("PUT", "/v1/sessions/pump-7", "{ \"n\": 1.50 }", "If-None-Match", "*");
        assertThat(created.statusCode()).isEqualTo(201);
        assertThat(created.headers().firstValue("ETag")).contains("\"1\"");
        assertThat(JSON.readTree(created.body()))
                .isEqualTo(JSON.readTree(
                        "{\"id\":\"pump-7\",\"version\":1,\"updated_at\":\"" + now + "\",\"expires_in\":3600}"));
        now = now.plusSeconds(60);
        assertThat(asOperator("PUT", "/v1/sessions/pump-7", "{\"n\":2.50}", "If-Match", "\"1\"")
                        .statusCode())
                .isEqualTo(200);
        now = now.plusSeconds(40);

        HttpResponse<String> read = asOperator("GET", "/v1/sessions/pump-7", "");
        assertThat(read.body()).isEqualTo("{\"n\":2.50}");
        assertThat(read.headers().firstValue("ETag")).contains("\"2\"");
        assertThat(read.headers().firstValue("X-Flk-Expires-In")).contains("3560");
        assertThat(read.headers().firstValue("X-Flk-Updated-At"))
                .contains(now.minusSeconds(40).toString());

        assertThat(asOperator("DELETE", "/v1/sessions/pump-7", "").statusCode()).isEqualTo(200);
        HttpResponse<String> gone = asOperator("GET", "/v1/sessions/pump-7", "");
        assertThat(gone.statusCode()).isEqualTo(404);
        assertThat(JSON.readTree(gone.body()).path("reason").asText()).isEqualTo("deleted");
        assertThat(asOperator("GET", "/v1/sessions/unknown", "").body()).contains("\"reason\":\"unknown\"");
    }

    @Test
    void staleVersion_isRefusedWithTheActualVersion() throws Exception {
        asOperator("PUT", "/v1/sessions/a", "{}");
        asOperator("PUT", "/v1/sessions/a", "{}");

        for (String[] condition : new String[][] {{"If-Match", "\"1\""}, {"If-None-Match", "*"}}) {
            HttpResponse<String> stale = asOperator("PUT", "/v1/sessions/a", "{\"lost\":true}", condition);
            assertThat(stale.statusCode()).isEqualTo(412);
            JsonNode body = JSON.readTree(stale.body());
            assertThat(body.path("error").asText()).isEqualTo("Concurrent modification detected");
            assertThat(body.path("expected").asLong()).isEqualTo(condition[0].equals("If-Match") ? 1 : 0);
            assertThat(body.path("actual").asLong()).isEqualTo(2);
        }
        assertThat(asOperator("DELETE", "/v1/sessions/a", "", "If-Match", "\"1\"")
                        .statusCode())
                .isEqualTo(412);
        assertThat(asOperator("GET", "/v1/sessions/a", "").body()).isEqualTo("{}");
        assertThat(refused("conflict")).isEqualTo("3.0");
    }

    @Test
    void expiredSession_isReportedAsExpired_andContinuesItsVersions() throws Exception {
        asOperator("PUT", "/v1/sessions/a/b", "{}");
        now = now.plus(CONFIG.ttl());

        await().atMost(PATIENCE).untilAsserted(() -> {
            HttpResponse<String> gone = asOperator("GET", "/v1/sessions/a/b", "");
            assertThat(gone.statusCode()).isEqualTo(404);
            assertThat(gone.body()).contains("\"reason\":\"expired\"");
        });

        assertThat(asOperator("PUT", "/v1/sessions/a/b", "{}").body()).contains("\"version\":3");
    }

    @Test
    void signature_isAcceptedOnce() throws Exception {
        String target = "/v1/sessions/a%20b/c";
        String[] headers = headers("PUT", target, "{\"n\":1}", now, "n-1");
        assertThat(send("PUT", target, "{\"n\":1}", headers).statusCode()).isEqualTo(200);
        assertThat(send("PUT", target, "{\"n\":1}", headers).statusCode()).isEqualTo(401);
        assertThat(refused("replayed")).isEqualTo("1.0");
        assertThat(server.sample("flk_heartbeats_total")).isEqualTo("1.0");

        assertThat(signed("GET", target, "", now, "n-2").body()).isEqualTo("{\"n\":1}");
        assertThat(signed("DELETE", target, "", now, "n-3").statusCode()).isEqualTo(200);
    }

    @Test
    void signature_ofAnotherRequestOrTime_isRefusedWithoutAReason() throws Exception {
        String target = "/v1/sessions/a";
        String[] headers = headers("PUT", target, "{\"n\":1}", now, "n-1");
        List<HttpResponse<String>> answers = List.of(
                send("PUT", target, "{\"n\":2}", headers),
                send("PUT", "/v1/sessions/b", "{\"n\":1}", headers),
                send("DELETE", target, "", headers),
                signed("PUT", target, "{}", now.minusSeconds(1), "n-2"), // before the start of this backend
                signed("PUT", target, "{}", now.plusSeconds(301), "n-3"),
                send("PUT", target, "{}"),
                send("PUT", target, "{}", "Authorization", "Bearer wrong"),
                send("GET", target, ""),
                send("GET", "/v1/sessions", ""),
                signed("GET", "/v1/sessions", "", now, "n-4"));

        assertThat(answers).extracting(HttpResponse::statusCode).containsOnly(401);
        assertThat(answers).extracting(HttpResponse::body).containsOnly("{\"error\":\"unauthorized\"}");
        assertThat(refused("age")).isEqualTo("2.0");
        assertThat(refused("credentials")).isEqualTo("8.0");
        assertThat(engine.head().revision()).isZero();
    }

    @Test
    void token_reachesOnlyItsSessions() throws Exception {
        asOperator("PUT", "/v1/sessions/pump-7", "{}");
        asOperator("PUT", "/v1/sessions/valve", "{}");
        String[] reader = {"Authorization", "bearer readsPump"};

        assertThat(send("GET", "/v1/sessions/pump-7", "", reader).statusCode()).isEqualTo(200);
        assertThat(send("GET", "/v1/sessions?prefix=pump", "", reader).statusCode())
                .isEqualTo(200);
        for (HttpResponse<String> denied : List.of(
                send("GET", "/v1/sessions/valve", "", reader),
                send("GET", "/v1/sessions", "", reader),
                send("PUT", "/v1/sessions/pump-7", "{}", reader),
                send("DELETE", "/v1/sessions/pump-7", "", reader))) {
            assertThat(denied.statusCode()).isEqualTo(403);
        }
        assertThat(refused("forbidden")).isEqualTo("4.0");
    }

    @Test
    void list_hasPages_andSelectsByPrefixAndSilence() throws Exception {
        for (int i = 0; i < 5; i++) {
            asOperator("PUT", "/v1/sessions/pump-" + i, "{\"i\":" + i + "}");
            now = now.plusSeconds(60);
        }
        asOperator("PUT", "/v1/sessions/valve", "{\"text\":\"a\\nb \\u2028 <b>\"}");
        List<String> ids = new ArrayList<>();
        String page = "";
        do {
            JsonNode listed = JSON.readTree(asOperator("GET", "/v1/sessions?prefix=pump&limit=2" + page, "")
                    .body());
            listed.path("sessions")
                    .forEach(session -> ids.add(session.path("id").asText()));
            page = listed.has("page") ? "&page=" + listed.path("page").asText() : "";
        } while (!page.isEmpty());
        assertThat(ids)
                .isEqualTo(IntStream.range(0, 5).mapToObj(i -> "pump-" + i).toList());

        JsonNode silent = JSON.readTree(
                        asOperator("GET", "/v1/sessions?silent=4m", "").body())
                .path("sessions");
        assertThat(silent).hasSize(2);
        assertThat(silent.get(1))
                .isEqualTo(JSON.readTree("{\"id\":\"pump-1\",\"version\":1,\"updated_at\":\""
                        + HttpFixture.NOW.plusSeconds(60) + "\",\"age\":0,\"expires_in\":3360,\"state\":{\"i\":1}}"));
        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(server.sample("flk_sessions")).isEqualTo("6.0"));
    }

    @Test
    void changes_arriveInOrder_andResumeAfterTheLastEvent() throws Exception {
        asOperator("PUT", "/v1/sessions/pump-1", "{\"n\":0}");
        List<String> events = new CopyOnWriteArrayList<>();
        try (Stream<String> lines = changes("")) {
            Future<?> reading =
                    threads.submit(() -> lines.filter(line -> !line.isEmpty()).forEach(events::add));
            await().atMost(PATIENCE).until(() -> events.contains(":"));
            asOperator("PUT", "/v1/sessions/pump-1", "{\"n\":1}");
            asOperator("PUT", "/v1/sessions/valve", "{\"n\":9}");
            asOperator("DELETE", "/v1/sessions/pump-1", "");
            await().atMost(PATIENCE).until(() -> events.size() >= 7);
            assertThat(reading).isNotDone();
        }
        assertThat(events)
                .filteredOn(line -> !line.startsWith("id: ") && !line.startsWith(":"))
                .containsExactly(
                        "event: update",
                        "data: {\"id\":\"pump-1\",\"version\":2,\"at\":\"" + at(2) + "\",\"state\":{\"n\":1}}",
                        "event: delete",
                        "data: {\"id\":\"pump-1\",\"version\":3,\"at\":\"" + at(4) + "\"}");

        try (Stream<String> lines = changes(events.get(1).substring("id: ".length()))) {
            assertThat(lines.filter(line -> line.startsWith("event: ")).findFirst())
                    .contains("event: delete");
        }
        try (Stream<String> lines = changes("another-history-1.1")) {
            assertThat(lines.filter(line -> line.startsWith("data: ")).findFirst())
                    .contains("data: {\"reason\":\"HISTORY_CHANGED\"}");
        }
        assertThat(asOperator("GET", "/v1/sessions/changes", "", "Last-Event-ID", "7")
                        .statusCode())
                .isEqualTo(400);
        assertThat(send("GET", "/v1/sessions/changes", "", "Authorization", "Bearer readsPump")
                        .statusCode())
                .isEqualTo(403);
    }

    /**
     * Returns the time of a revision. The clock stands still, so each commit is dated a microsecond after the one
     * before it.
     */
    private Instant at(long revision) {
        return now.plusNanos((revision - 1) * 1_000);
    }

    private Stream<String> changes(String after) throws IOException, InterruptedException {
        List<String> headers = new ArrayList<>(List.of("Authorization", "Bearer readsPump"));
        if (!after.isEmpty()) {
            headers.addAll(List.of("Last-Event-ID", after));
        }
        return server.send(
                        BodyHandlers.ofLines(),
                        "GET",
                        "/v1/sessions/changes?prefix=pump",
                        "",
                        headers.toArray(String[]::new))
                .body();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "7", "[]", "\"text\"", "{", "{\"a\":1,}", "{}{}", "null"})
    void body_notAnObject_isRefused(String body) throws Exception {
        assertThat(asOperator("PUT", "/v1/sessions/a", body).statusCode()).isEqualTo(400);
        assertThat(refused("malformed")).isEqualTo("1.0");
    }

    @Test
    void body_ofMoreThan64KiB_isRefused() throws Exception {
        String largest = "{\"a\":\"" + "x".repeat(Session.MAX_BYTES - 8) + "\"}";
        assertThat(asOperator("PUT", "/v1/sessions/a", largest).statusCode()).isEqualTo(200);
        assertThat(asOperator("PUT", "/v1/sessions/a", largest + " ").statusCode())
                .isEqualTo(413);
        assertThat(refused("too_large")).isEqualTo("1.0");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v1/sessions/%0A",
                "/v1/sessions/a%00",
                "/v1/sessions//a",
                "/v1/sessions/%FF",
                "/v1/sessions?limit=0",
                "/v1/sessions?limit=x",
                "/v1/sessions?silent=soon",
                "/v1/sessions?other=1",
                "/v1/sessions?prefix=a&prefix=b",
                "/v1/sessions?page=%0A"
            })
    void malformedTarget_isRefused(String target) throws Exception {
        HttpResponse<String> answer = asOperator("GET", target, "");

        assertThat(answer.statusCode()).isEqualTo(400);
        assertThat(answer.body()).doesNotContain("\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "\"x\"", "W/\"1\"", "*", "\"1\", \"2\"", "\"1234567890123456789\""})
    void malformedCondition_isRefused(String condition) throws Exception {
        assertThat(asOperator("PUT", "/v1/sessions/a", "{}", "If-Match", condition)
                        .statusCode())
                .isEqualTo(400);
    }

    @Test
    void stateIsDown_sessionsAreUnavailable() throws Exception {
        asOperator("PUT", "/v1/sessions/a", "{}");
        engine.close();

        for (HttpResponse<String> answer : List.of(
                asOperator("PUT", "/v1/sessions/a", "{}"),
                asOperator("GET", "/v1/sessions/a", ""),
                asOperator("GET", "/v1/sessions", ""))) {
            assertThat(answer.statusCode()).isEqualTo(503);
            assertThat(answer.headers().firstValue("Retry-After")).contains("1");
        }
        assertThat(refused("unavailable")).isEqualTo("3.0");
    }

    @Test
    void withoutSessions_isNotFound() throws Exception {
        server.sessions = null;

        assertThat(asOperator("GET", "/v1/sessions", "").statusCode()).isEqualTo(404);
        assertThat(asOperator("PUT", "/v1/sessions/a", "{}").statusCode()).isEqualTo(404);
        assertThat(asOperator("POST", "/v1/sessions/a", "{}").statusCode()).isEqualTo(405);
    }
}
