// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.http.TestServer.Kept;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class StopTest {
    @RegisterExtension
    private final TestServer server = new TestServer();

    @Test
    void close_requestInFlight_isAnsweredFirst() throws Exception {
        server.keep();
        RawClient client = server.connect().post("/echo", "x");
        Kept kept = server.next();

        Thread closing = closeInBackground();
        server.awaitNotListening();
        kept.echo();

        Reply answer = client.read();
        assertThat(answer.body()).isEqualTo("\"x\"");
        assertThat(answer.header("connection")).contains("close");
        assertThat(client.isAtEnd()).isTrue();
        client.close();
        closing.join();
    }

    @Test
    void close_clientStillReadsALongAnswer_isSentCompletely() throws Exception {
        server.answer(body -> "y".repeat(16 << 20));
        RawClient client = server.connectNarrow().post("/echo", "x");
        assertThat(client.readHead().status()).isEqualTo(200);

        Thread closing = closeInBackground();
        server.awaitNotListening();

        assertThat(client.readToEnd()).hasSize((16 << 20) + 2);
        client.close();
        closing.join();
    }

    @Test
    void close_partialBody_isReadAndAnsweredFirst() throws Exception {
        RawClient client = server.connect().send("POST /echo HTTP/1.1\nHost: h\nContent-Length: 4\n\nab");
        server.awaitConnections(1);

        Thread closing = closeInBackground();
        server.awaitNotListening();

        assertThat(client.send("cd").read().body()).isEqualTo("\"abcd\"");
        client.close();
        closing.join();
    }

    @Test
    void close_idleConnection_endsAtOnce() throws IOException {
        RawClient client = server.connect();
        client.post("/echo", "x").read();

        server.server().close();

        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void close_requestWithoutAnswer_endsWithinTheTimeout() throws Exception {
        server.stopWithin(Duration.ofMillis(100));
        server.keep();
        RawClient client = server.connect().post("/echo", "x");
        Kept kept = server.next();

        server.server().close();

        assertThat(client.isAtEnd()).isTrue();
        kept.echo();
    }

    @Test
    void close_eventLoopHangs_ends() throws Exception {
        server.stopWithin(Duration.ofMillis(100));
        CountDownLatch lost = new CountDownLatch(1);
        CountDownLatch released = new CountDownLatch(1);
        server.answer(body -> {
            lost.countDown();
            awaitUninterruptibly(released);
            return body;
        });
        server.connect().post("/echo", "x");
        lost.await();

        Thread closing = closeInBackground();
        closing.join(Duration.ofSeconds(20).toMillis());

        assertThat(closing.isAlive()).isFalse();
        released.countDown();
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        while (true) {
            try {
                latch.await();
                return;
            } catch (InterruptedException e) {
                // an interrupt must not end the wait before the latch is released
            }
        }
    }

    @Test
    void close_twice_isHarmless() throws IOException {
        server.server().close();

        server.server().close();
    }

    @Test
    void start_unknownHost_saysSo() throws IOException {
        assertThatThrownBy(() -> server.server().listen(server.listener("no..host")))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("no..host port 0: there is no such host");
    }

    private Thread closeInBackground() throws IOException {
        HttpServer closed = server.server();
        Thread closing = new Thread(closed::close);
        closing.start();
        return closing;
    }
}
