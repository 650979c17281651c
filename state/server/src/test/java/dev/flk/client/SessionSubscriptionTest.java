// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.client.SessionStore.Change;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests of a subscription to a server that the test scripts. */
final class SessionSubscriptionTest {
    private static final String CHANGE =
            "event: update\ndata: {\"id\":\"a\",\"version\":1," + "\"at\":\"2026-11-20T08:00:00Z\",\"state\":{}}\n\n";

    private final List<Socket> connections = new CopyOnWriteArrayList<>();
    private final List<Change> changes = new CopyOnWriteArrayList<>();
    private volatile String firstBody = "";
    private ServerSocket server;

    @BeforeEach
    void start() throws IOException {
        server = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
        new Thread(this::serve, "scripted").start();
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
        for (Socket each : connections) {
            each.close();
        }
    }

    /** Answers the first request with {@link #firstBody}, and others with a change; then sends nothing more. */
    private void serve() {
        try {
            while (true) {
                Socket accepted = server.accept();
                String body = connections.isEmpty() ? firstBody : CHANGE;
                accepted.getOutputStream()
                        .write(("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + body)
                                .getBytes(StandardCharsets.UTF_8));
                connections.add(accepted);
            }
        } catch (IOException e) {
            // the test has ended
        }
    }

    private SessionStore store(SessionStore.Credentials credentials) {
        return SessionStore.connect("http://127.0.0.1:" + server.getLocalPort(), credentials);
    }

    @Test
    void silentServer_isLeft_andTheNextConnectionUsed() {
        firstBody = ":\n\n";
        try (SessionSubscription subscription = SessionSubscription.start(
                store((method, target, headers, body) -> Map.of()), "", changes::add, Duration.ofMillis(400))) {
            await().until(() -> !changes.isEmpty());
            assertThat(connections).hasSizeGreaterThan(1);
            assertThat(subscription).isNotNull();
        }
    }

    @Test
    void credentialsFailOnce_isReportedAsTheirFailure_andRetried() {
        firstBody = CHANGE;
        AtomicInteger calls = new AtomicInteger();
        try (SessionSubscription subscription = SessionSubscription.start(
                store((method, target, headers, body) -> {
                    if (calls.getAndIncrement() == 0) {
                        throw new IllegalStateException("the key can't be read");
                    }
                    return Map.of();
                }),
                "",
                changes::add)) {
            await().until(() -> !changes.isEmpty());
            assertThat(calls).hasValueGreaterThan(1);
            assertThat(subscription.problem()).isEmpty();
        }
    }

    @Test
    void lineThatIsNotJson_isReportedAndTheStreamOpenedAgain() {
        firstBody = "event: update\ndata: <html>\n\n";
        try (SessionSubscription subscription =
                SessionSubscription.start(store((method, target, headers, body) -> Map.of()), "", changes::add)) {
            await().until(() -> !changes.isEmpty());
            assertThat(subscription.problem()).isEmpty();
        }
    }

    @Test
    void listenerFails_endsWithAProblemThatSaysSo() {
        firstBody = CHANGE;
        try (SessionSubscription subscription =
                SessionSubscription.start(store((method, target, headers, body) -> Map.of()), "", change -> {
                    throw new IllegalStateException("the application is broken");
                })) {
            await().until(() -> subscription.problem().isPresent());
            assertThat(subscription.problem().orElseThrow())
                    .hasMessage("the subscription has ended, because its listener failed:"
                            + " java.lang.IllegalStateException: the application is broken");
        }
    }

    @Test
    void lineWithoutEnd_breaksTheStream_andTheNextConnectionIsUsed() {
        firstBody = "data: " + "x".repeat(BoundedText.MAX_BYTES);
        try (SessionSubscription subscription =
                SessionSubscription.start(store((method, target, headers, body) -> Map.of()), "", changes::add)) {
            await().until(() -> !changes.isEmpty());
            assertThat(connections).hasSizeGreaterThan(1);
            assertThat(subscription).isNotNull();
        }
    }

    @Test
    void answerWithoutEnd_isAFailure() {
        firstBody = "x".repeat(BoundedText.MAX_BYTES + 1);

        assertThatThrownBy(
                        () -> store((method, target, headers, body) -> Map.of()).get("a"))
                .isInstanceOf(SessionCallException.class)
                .hasMessageContaining("the answer is longer than ");
    }
}
