// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.sessions.SessionAccess;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.sessions.Sessions;
import dev.flk.backend.sessions.StateSessions;
import dev.flk.backend.state.CuttingProxy;
import dev.flk.backend.state.MemoryEngine;
import dev.flk.client.SessionCallException;
import dev.flk.client.SessionCallException.ConcurrencyException;
import dev.flk.client.SessionStore;
import dev.flk.client.SessionStore.Change;
import dev.flk.client.SessionStore.Credentials;
import dev.flk.client.SessionSubscription;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.message.MessageSigner;
import dev.flk.state.StateEngine;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tests of the Java client of sessions with a real server whose state is in memory. */
final class SessionStoreTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final SessionConfig CONFIG = SessionConfig.inState(Duration.ofHours(1), Duration.ofMinutes(5));

    @RegisterExtension
    private final HttpFixture server = new HttpFixture();

    private final StateEngine engine = MemoryEngine.started();
    private SessionStore store;

    @BeforeEach
    void start() throws IOException {
        server.sessions = Sessions.start(
                new StateSessions(engine, CONFIG.ttl(), Instant::now),
                new SessionAccess(
                        Signatures.anyOf(0, SignatureCheck.hmac(List.of("secret"))),
                        (token, namespace, prefix, writes) -> Optional.of("token".equals(token)),
                        Instant::now),
                CONFIG,
                server.sessionMetrics);
        store = connect(Credentials.token("token"));
    }

    private SessionStore connect(Credentials credentials) throws IOException {
        return SessionStore.connect("http://127.0.0.1:" + server.port() + "/", credentials);
    }

    @AfterEach
    void close() {
        server.sessions.close();
        engine.close();
    }

    @Test
    void session_isCreatedUpdatedAndDeleted_andConflictsNameTheVersion() {
        assertThat(store.get("pump 7/ä")).isEmpty();
        assertThat(store.create("pump 7/ä", "{\"n\":1.50}")).isEqualTo(1);
        assertThat(store.update("pump 7/ä", "{\"n\":2.50}", 1)).isEqualTo(2);
        assertThat(store.get("pump 7/ä")).hasValueSatisfying(session -> {
            assertThat(session.json()).isEqualTo("{\"n\":2.50}");
            assertThat(session.version()).isEqualTo(2);
            assertThat(session.remaining()).isBetween(Duration.ofMinutes(59), Duration.ofHours(1));
        });

        assertThatThrownBy(() -> store.update("pump 7/ä", "{}", 1))
                .isInstanceOfSatisfying(ConcurrencyException.class, e -> {
                    assertThat(e.expected()).isEqualTo(1);
                    assertThat(e.actual()).isEqualTo(2);
                });
        assertThatThrownBy(() -> store.create("pump 7/ä", "{}")).isInstanceOf(ConcurrencyException.class);
        store.delete("pump 7/ä");
        assertThat(store.get("pump 7/ä")).isEmpty();
        assertThat(store.put("pump 7/ä", "{}")).isEqualTo(4);
        assertThatThrownBy(() -> store.put("a", "no object"))
                .isInstanceOfSatisfying(
                        SessionCallException.class, e -> assertThat(e.status()).isEqualTo(400));
    }

    @Test
    void retrying_losesNoUpdate_ofConcurrentWriters() throws Exception {
        long writers = 8;
        long each = 10;
        ExecutorService threads = Executors.newFixedThreadPool((int) writers);
        try {
            List<Future<?>> running = new ArrayList<>();
            for (long writer = 0; writer < writers; writer++) {
                running.add(threads.submit(() -> {
                    for (long i = 0; i < each; i++) {
                        store.retrying(Integer.MAX_VALUE, "counter", SessionStoreTest::incremented);
                    }
                }));
            }
            for (Future<?> writer : running) {
                writer.get();
            }
        } finally {
            threads.shutdownNow();
        }

        assertThat(store.get("counter")).hasValueSatisfying(session -> {
            assertThat(session.json()).isEqualTo("{\"n\":" + writers * each + "}");
            assertThat(session.version()).isEqualTo(writers * each);
        });
    }

    @Test
    void retrying_refusedAgainAndAgain_pauses() throws Exception {
        Thread caller = new Thread(() -> assertThatThrownBy(() -> store.retrying(
                        Integer.MAX_VALUE, "contended", json -> "{\"n\":" + store.put("contended", "{}") + "}"))
                .isInstanceOf(SessionCallException.class));
        caller.start();
        try {
            await().atMost(PATIENCE)
                    .until(() -> Stream.of(caller.getStackTrace())
                            .anyMatch(frame -> frame.getClassName().equals(Thread.class.getName())
                                    && frame.getMethodName().startsWith("sleep")));
        } finally {
            caller.interrupt();
            caller.join();
        }
    }

    private static String incremented(String json) {
        int n = json.equals("{}") ? 0 : Integer.parseInt(json.replaceAll("[^0-9]", ""));
        return "{\"n\":" + (n + 1) + "}";
    }

    @Test
    void signedRequests_areAccepted() throws Exception {
        MessageSigner signer = MessageSigner.of(new HmacSigner("secret"));
        SessionStore agent = connect((method, target, headers, body) -> signer.sign(
                method,
                target,
                headers,
                body,
                Instant.now().plusSeconds(1), // after the second in which the backend started
                UUID.randomUUID().toString()));

        assertThat(agent.create("a/b c", "{}")).isEqualTo(1);
        assertThat(agent.update("a/b c", "{\"n\":1}", 1)).isEqualTo(2);
        assertThat(agent.get("a/b c")).isPresent();
    }

    @Test
    void subscription_continuesAfterItsConnectionBroke() throws Exception {
        List<Change> changes = new CopyOnWriteArrayList<>();
        try (CuttingProxy network = new CuttingProxy(server.port());
                SessionSubscription subscription = SessionStore.connect(
                                "http://127.0.0.1:" + network.port(), Credentials.token("token"))
                        .subscribe("pump", changes::add)) {
            for (int n = 1; n <= 3; n++) {
                int number = n;
                await().atMost(PATIENCE).until(() -> {
                    long unused = store.put("pump-" + number, "{\"n\":" + number + ".50}");
                    return changes.stream().anyMatch(change -> change.id().equals("pump-" + number));
                });
                network.cut();
                assertThat(store.put("pump-lost-" + n, "{}")).isEqualTo(1);
                assertThat(store.put("valve", "{}")).isEqualTo(n);
                network.pass();
                String wanted = "pump-lost-" + n;
                await().atMost(PATIENCE)
                        .until(() ->
                                changes.stream().anyMatch(change -> change.id().equals(wanted)));
            }
            store.delete("pump-1");
            await().atMost(PATIENCE).until(() -> changes.stream().anyMatch(change -> change.json() == null));
            assertThat(subscription.problem()).isEmpty();
        }
        assertThat(changes).extracting(Change::id).allMatch(id -> id.startsWith("pump"));
        assertThat(changes.stream().filter(change -> change.id().startsWith("pump-lost")))
                .hasSize(3)
                .allMatch(change -> change.version() == 1);
        assertThat(changes.get(0).json()).isEqualTo("{\"n\":1.50}");
    }

    @Test
    void subscription_withoutRights_hasAProblem() throws Exception {
        SessionStore stranger = connect(Credentials.token("wrong"));
        try (SessionSubscription subscription = stranger.subscribe("", change -> {})) {
            await().atMost(PATIENCE)
                    .until(() -> subscription
                            .problem()
                            .filter(e -> e.status() == 403)
                            .isPresent());
        }
    }
}
