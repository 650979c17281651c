// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.http.testing.RawClient;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tests that a connection that sends much does not delay the other connections of its event loop. */
class FairnessTest {
    private static final int REQUESTS = 1_000;
    private static final int PARTS = 10_000;
    /** More requests than a connection may have in one iteration or two. */
    private static final int MANY = 100;

    private final CountDownLatch inLoop = new CountDownLatch(1);
    private final CountDownLatch sent = new CountDownLatch(1);
    private final AtomicInteger served = new AtomicInteger();
    private final AtomicInteger servedBefore = new AtomicInteger();

    @RegisterExtension
    private final TestServer server = new TestServer()
            .loops(1)
            .stopWithin(Duration.ofMillis(100))
            .routes(routes -> routes.get("/block", Endpoint.always(this::block))
                    .get("/count", Endpoint.always(this::count))
                    .post("/count", Endpoint.withBody(PARTS, this::count))
                    .get("/probe", Endpoint.always(this::probe)));

    /** Keeps the event loop busy until another client has sent its request. */
    private void block(Request request, Exchange exchange) {
        inLoop.countDown();
        try {
            assertThat(sent.await(20, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        exchange.answer(Answer.text(200, ""));
    }

    private void count(Request request, Exchange exchange) {
        served.incrementAndGet();
        exchange.answer(Answer.text(200, ""));
    }

    private void probe(Request request, Exchange exchange) {
        servedBefore.set(served.get());
        exchange.answer(Answer.text(200, ""));
    }

    /**
     * Sends {@code much} on a connection, and a request on another one while the event loop serves the first one.
     * Returns the first connection when the second one has its answer.
     */
    private RawClient sendBeforeProbe(String much) throws Exception {
        RawClient busy = server.connect();
        RawClient other = server.connect();
        readMore(busy);
        busy.send(get("/block") + much);
        assertThat(inLoop.await(20, TimeUnit.SECONDS)).isTrue();
        other.send(get("/probe"));
        sent.countDown();
        assertThat(other.read().status()).isEqualTo(200);
        assertThat(busy.read().status()).isEqualTo(200);
        return busy;
    }

    /** Makes the server read more from a connection at a time, which Netty does after much was received. */
    private static void readMore(RawClient client) throws IOException {
        for (int time = 0; time < 4; time++) {
            client.send(get("/health").repeat(REQUESTS));
            for (int i = 0; i < REQUESTS; i++) {
                assertThat(client.read().status()).isEqualTo(200);
            }
        }
    }

    private static String get(String path) {
        return "GET " + path + " HTTP/1.1\nHost: h\n\n";
    }

    @Test
    void pipelinedRequests_answeredAtOnce_letOthersHaveTheirTurn() throws Exception {
        RawClient busy = sendBeforeProbe(get("/count").repeat(REQUESTS));

        assertThat(servedBefore).hasValueLessThan(MANY);
        for (int i = 0; i < REQUESTS; i++) {
            assertThat(busy.read().status()).isEqualTo(200);
        }
    }

    @Test
    void body_inManySmallParts_letsOthersHaveTheirTurn() throws Exception {
        RawClient busy = sendBeforeProbe(
                "POST /count HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n" + "1\na\n".repeat(PARTS) + "0\n\n");

        assertThat(servedBefore).hasValue(0);
        assertThat(busy.read().status()).isEqualTo(200);
    }

    @Test
    void pipelinedRequests_beforeTheEndOfTheInput_areAnswered() throws Exception {
        RawClient busy = server.connect();

        busy.send(get("/count").repeat(REQUESTS)).shutDownOutput();

        for (int i = 0; i < REQUESTS; i++) {
            assertThat(busy.read().status()).isEqualTo(200);
        }
        assertThat(busy.isAtEnd()).isTrue();
    }
}
