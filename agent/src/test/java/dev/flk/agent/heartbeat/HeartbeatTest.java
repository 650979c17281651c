// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.heartbeat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.agent.control.StatusReport;
import dev.flk.agent.metrics.AgentMeters;
import dev.flk.agent.send.SenderConfig;
import dev.flk.agent.send.SenderConfig.SendOptions;
import dev.flk.http.Admission;
import dev.flk.http.Answer;
import dev.flk.http.Exchange;
import dev.flk.http.HttpEvents;
import dev.flk.http.HttpServer;
import dev.flk.http.HttpServer.HttpOptions;
import dev.flk.http.HttpServer.Listener;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.message.SignedRequest;
import dev.flk.signing.message.UnacceptableRequest;
import io.netty.handler.codec.http.HttpMethod;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests of heartbeats as a backend receives them. */
final class HeartbeatTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final HmacSigner KEY = new HmacSigner("secret");
    private static final SignatureCheck CHECK = SignatureCheck.hmac(List.of("secret"));

    private final List<Received> received = new CopyOnWriteArrayList<>();
    private final AgentMeters meters = new AgentMeters();
    private HttpServer backend;
    private int port;
    private volatile Duration clockAhead = Duration.ZERO;
    private volatile int status = 200;
    private volatile boolean isOfVersion010;

    /** @param signed the request with its parsed signature */
    private record Received(String target, JsonNode state, SignedRequest signed) {}

    @BeforeEach
    void start() throws IOException {
        Duration longTime = Duration.ofMinutes(1);
        backend = new HttpServer(
                new HttpOptions(
                        "backend",
                        1,
                        8,
                        8,
                        1_000,
                        1 << 20,
                        1 << 20,
                        longTime,
                        longTime,
                        longTime,
                        Duration.ofSeconds(1)),
                HttpEvents.NONE,
                () -> Instant.now().plus(clockAhead),
                System::nanoTime);
        port = backend.listen(new Listener(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                "a port",
                "no setting",
                "too many connections",
                new Routes(Endpoint.always(Refusal.notFound()))
                        .route(HttpMethod.PUT, "/v1/sessions/*", Endpoint.withBody(65_536, this::answer))
                        .route(HttpMethod.PUT, "/v1/agents/*", Endpoint.withBody(65_536, this::answer)),
                Admission.ALL,
                null));
    }

    @AfterEach
    void stop() {
        backend.close();
    }

    private void answer(Request request, Exchange exchange) {
        try {
            byte[] body = request.body().exact();
            received.add(new Received(
                    request.method() + " " + request.target(),
                    new JsonMapper().readTree(body),
                    SignedRequest.parse(
                            request.method().name(),
                            request.target(),
                            name -> request.headers().getAll(name),
                            body)));
            boolean isUnknown = isOfVersion010 && request.target().startsWith("/v1/agents");
            exchange.answer(Answer.text(isUnknown ? 404 : status, "scripted"));
        } catch (IOException | UnacceptableRequest e) {
            throw new IllegalStateException(e);
        }
    }

    private SenderConfig sending() {
        return new SenderConfig(
                List.of(URI.create("http://127.0.0.1:" + port)),
                Optional.empty(),
                Duration.ofSeconds(10),
                Optional.of(KEY),
                new SendOptions(
                        Duration.ofSeconds(1), Duration.ofSeconds(1), 0, Duration.ofDays(1), Duration.ofDays(1), 1, 1));
    }

    private Heartbeat start(Duration every, Optional<String> agentId) {
        return Heartbeat.start(
                new HeartbeatConfig(every, agentId, Optional.of(KEY)),
                sending(),
                "1.2.3",
                HeartbeatTest::report,
                () -> List.of("shard-b", "shard-a"),
                meters,
                Instant::now);
    }

    private static StatusReport report() {
        return new StatusReport(
                1L,
                "outbox",
                new StatusReport.Waiting(7, 100, null, 60L),
                new StatusReport.Sending(0, 1.5, null, List.of(), 2L, null, null),
                "dlq",
                3,
                4,
                new StatusReport.Disk(1_000, 2_000, 5_000, 1),
                null);
    }

    @Test
    void heartbeat_isSignedAndReportsTheStateOfTheAgent() {
        try (Heartbeat heartbeat = start(Duration.ofMillis(10), Optional.of("pump 7/ä"))) {
            await().atMost(PATIENCE).until(() -> received.size() >= 2);
            assertThat(heartbeat).isNotNull();
        }
        assertThat(received).extracting(Received::target).containsOnly("PUT /v1/agents/pump%207%2F%C3%A4");
        assertThat(received).allMatch(each -> each.signed().verifiedBy(CHECK));
        assertThat(received).extracting(each -> each.signed().nonce()).doesNotHaveDuplicates();
        JsonNode state = received.get(0).state();
        assertThat(state.path("version").asText()).isEqualTo("1.2.3");
        assertThat(state.path("pending").asInt()).isEqualTo(7);
        assertThat(state.path("oldest_pending_seconds").asInt()).isEqualTo(60);
        assertThat(state.path("dead_letters").asInt()).isEqualTo(3);
        assertThat(state.path("held_shards").asInt()).isEqualTo(2);
        assertThat(state.path("shards").toString()).isEqualTo("[\"shard-a\",\"shard-b\"]");
    }

    @Test
    void reconfigure_shorterInterval_appliesBeforeTheLongOneHasPassed() {
        try (Heartbeat heartbeat = start(Duration.ofDays(1), Optional.of("before"))) {
            await().atMost(PATIENCE).until(() -> received.size() == 1);

            heartbeat.reconfigure(
                    new HeartbeatConfig(Duration.ofMillis(10), Optional.of("after"), Optional.of(KEY)), sending());

            await().atMost(PATIENCE).until(() -> received.size() >= 3);
            assertThat(received.get(2).target()).endsWith("/after");
        }
    }

    @Test
    void wrongClock_isCorrectedFromTheAnswer() {
        clockAhead = Duration.ofHours(1);
        status = 401;
        try (Heartbeat heartbeat = start(Duration.ofMillis(10), Optional.empty())) {
            await().atMost(PATIENCE)
                    .until(() -> received.stream()
                            .anyMatch(each ->
                                    each.signed().isFresh(Instant.now().plus(clockAhead), Duration.ofMinutes(5))));
            assertThat(heartbeat).isNotNull();
        }
        assertThat(received.get(0).signed().isFresh(Instant.now(), Duration.ofMinutes(5)))
                .isTrue();
    }

    @Test
    void backendOfVersion010_getsTheReportAsASession_andIsAskedAgainAfterAHundred() {
        isOfVersion010 = true;
        try (Heartbeat heartbeat = start(Duration.ofMillis(1), Optional.of("pump"))) {
            await().atMost(PATIENCE).until(() -> received.size() >= 203);
            assertThat(heartbeat).isNotNull();
        }
        List<String> paths = received.stream()
                .map(each -> each.target().replaceAll(".*/v1/|/pump", ""))
                .toList();
        assertThat(paths.get(0)).isEqualTo("agents");
        assertThat(paths.subList(1, 100)).containsOnly("sessions");
        assertThat(paths.get(100)).isEqualTo("agents");
        assertThat(received.get(1).state().path("host"))
                .as("the same report")
                .isEqualTo(received.get(0).state().path("host"));
    }

    @Test
    void stop_sendsALastReport_thatSaysSo_andNothingAfterIt() {
        try (Heartbeat heartbeat = start(Duration.ofMillis(10), Optional.of("pump"))) {
            await().atMost(PATIENCE).until(() -> !received.isEmpty());
            assertThat(received.get(0).state().has("stopped")).isFalse();
            heartbeat.stop();
        }
        assertThat(received.get(received.size() - 1).state().path("stopped").asBoolean())
                .isTrue();
        assertThat(received).filteredOn(each -> each.state().has("stopped")).hasSize(1);
    }
}
