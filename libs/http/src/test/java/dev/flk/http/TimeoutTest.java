// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.http.TestServer.Kept;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Tests of the timeouts of heads, bodies and idle connections. They do not sleep: they wait until the server answers or
 * closes a connection.
 */
class TimeoutTest {
    private static final Duration SHORT = Duration.ofMillis(200);

    @RegisterExtension
    private final TestServer server = new TestServer();

    @Test
    void header_tooSlowOnAKeptConnection_is408() throws IOException {
        server.headerTimeout(SHORT);
        RawClient client = server.connect();
        client.post("/echo", "x").read();

        assertThat(client.send("G").read().status()).isEqualTo(408);
    }

    @Test
    void header_tooSlowAndTheAnswerFails_nextSlowOneIs408() throws IOException {
        server.headerTimeout(SHORT);
        server.clock = () -> {
            throw new IllegalStateException("broken");
        };
        assertThat(server.connect().send("G").isAtEnd()).isTrue();
        server.clock = () -> TestServer.NOW;

        // one connection per event loop, so that one of them uses the loop whose check failed
        for (int i = 0; i < Runtime.getRuntime().availableProcessors(); i++) {
            assertThat(server.connect().send("G").read().status()).isEqualTo(408);
        }
    }

    @Test
    void body_tooSlow_is408AndCounted() throws IOException {
        server.bodyTimeout(SHORT);
        RawClient client = server.connect().send("POST /echo HTTP/1.1\nHost: h\nContent-Length: 9\n\nabc");

        Reply answer = client.read();

        assertThat(answer.status()).isEqualTo(408);
        assertThat(answer.header("connection")).contains("close");
        assertThat(client.isAtEnd()).isTrue();
        assertThat(server.count("bodyTooSlow")).isEqualTo(1);
    }

    @Test
    void body_awaitingContinue_isNotTooSlow() throws Exception {
        server.bodyTimeout(SHORT);
        server.keep();
        RawClient client = server.connect().post("/echo", "x");
        client.send("POST /echo HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 1\n\n");
        Kept first = server.next();

        // wait until another body is too slow, so that the timeout has passed
        server.connect()
                .send("POST /echo HTTP/1.1\nHost: h\nContent-Length: 9\n\nabc")
                .read();
        first.echo();

        assertThat(client.read().status()).isEqualTo(200);
        assertThat(client.readHead().status()).isEqualTo(100);
        client.send("y");
        server.next().echo();
        assertThat(client.read().body()).isEqualTo("\"y\"");
    }

    @Test
    void body_refusedAndIncomplete_closesTheConnection() throws IOException {
        server.bodyTimeout(SHORT);
        RawClient client = server.connect().send("POST /echo HTTP/1.1\nHost: h\nContent-Length: 9999\n\nabc");

        assertThat(client.read().status()).isEqualTo(413);
        assertThat(client.isAtEnd()).isTrue();
        server.awaitConnections(0);
    }

    @Test
    void idle_newConnection_isClosedSilently() throws IOException {
        server.idleTimeout(SHORT);

        assertThat(server.connect().isAtEnd()).isTrue();
    }

    @Test
    void idle_afterAnAnswer_isClosedSilently() throws IOException {
        server.idleTimeout(SHORT);
        RawClient client = server.connect().post("/echo", "x");

        assertThat(client.read().status()).isEqualTo(200);
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void idle_emptyLinesOnly_isClosedSilently() throws IOException {
        server.idleTimeout(SHORT).headerTimeout(SHORT);

        assertThat(server.connect().send("\n\n").isAtEnd()).isTrue();
    }

    @Test
    void idle_clientNeverReads_isClosed() throws Exception {
        server.idleTimeout(SHORT).maxBodyBytes(64 << 10);
        server.answer(body -> "y".repeat(30 << 20));
        server.connectNarrow().post("/echo", "x");
        server.served.take();

        server.awaitConnections(0);
    }

    @Test
    void idle_clientNeverReadsAndBeganAnotherRequest_isClosed() throws Exception {
        server.idleTimeout(SHORT).maxBodyBytes(64 << 10);
        server.answer(body -> "y".repeat(30 << 20));
        server.connectNarrow().post("/echo", "x").send("GET /hea");
        server.served.take();

        server.awaitConnections(0);
    }

    @Test
    void idle_clientNeverReadsAndWaitsToContinue_isClosed() throws Exception {
        server.idleTimeout(SHORT).maxBodyBytes(64 << 10);
        server.answer(body -> "y".repeat(30 << 20));
        server.connectNarrow()
                .post("/echo", "x")
                .send("POST /echo HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 1\n\n");
        server.served.take();

        server.awaitConnections(0);
    }

    @Test
    void waiting_forAnAnswer_isNotIdle() throws Exception {
        server.idleTimeout(SHORT).headerTimeout(SHORT).bodyTimeout(SHORT);
        server.keep();
        RawClient waiting = server.connect().post("/echo", "x");
        var kept = server.next();

        // wait until a connection that was opened later is closed as idle
        assertThat(server.connect().isAtEnd()).isTrue();
        kept.echo();

        assertThat(waiting.read().status()).isEqualTo(200);
    }
}
