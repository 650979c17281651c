// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.http.Admission.Visitor;
import dev.flk.http.TestServer.Kept;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of rejections while the server holds as much as its limits allow. */
class OverloadTest {
    private static final String OVERLOADED = "{\"error\":\"overloaded\"}";
    private static final String ECHO = "POST /echo HTTP/1.1\nHost: h\n";

    @RegisterExtension
    private final TestServer server = new TestServer().stopWithin(Duration.ofMillis(100));

    /** Sends a request that occupies the server's only request slot. */
    private Kept fill() throws Exception {
        server.maxRequests(1).keep();
        server.connect().post("/echo", "a");
        return server.next();
    }

    private void assertNothingIsHeld() {
        await().untilAsserted(() -> {
            assertThat(server.load().requests().held()).isZero();
            assertThat(server.load().bodyBytes().held()).isZero();
            assertThat(server.load().answerBytes().held()).isZero();
        });
    }

    @Test
    void request_beyondMaxRequests_isRefusedEarlyAndCounted() throws Exception {
        fill();

        Reply refused = server.connect().post("/echo", "b").read();

        assertThat(refused.status()).isEqualTo(503);
        assertThat(refused.body()).isEqualTo(OVERLOADED);
        assertThat(refused.header("retry-after")).contains("1");
        assertThat(server.hasKept()).isFalse();
        assertThat(server.count("refusedEarly")).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({"/echo,900", "/long,3000"})
    void refused_keepsItsConnection(String path, int bytes) throws Exception {
        Kept first = fill();
        RawClient client = server.connect().post(path, "b".repeat(bytes));
        assertThat(client.read().status()).isEqualTo(503);

        first.echo();
        await().until(() -> server.load().requests().held() == 0);
        server.answer(body -> body);

        assertThat(client.post(path, "c").read().status()).isEqualTo(200);
    }

    @Test
    void request_waitingForContinue_isRefusedWithoutItsBody() throws Exception {
        fill();

        RawClient client = server.connect().send(ECHO + "Content-Length: 3\nExpect: 100-continue\n\n");

        assertThat(client.read().status()).isEqualTo(503);
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void body_overTheLimit_is413DespiteOverload() throws Exception {
        fill();

        assertThat(server.connect()
                        .send(ECHO + "Content-Length: 1001\n\n")
                        .read()
                        .status())
                .isEqualTo(413);
    }

    @Test
    void pipelined_beyondMaxRequests_areAnsweredInOrder() throws Exception {
        server.maxRequests(1).keep();
        RawClient client =
                server.connect().post("/echo", "a").post("/echo", "b").post("/echo", "c");
        await().until(() -> server.count("refusedEarly") == 2);

        server.next().echo();

        assertThat(client.read().body()).isEqualTo("\"a\"");
        assertThat(client.read().body()).isEqualTo(OVERLOADED);
        assertThat(client.read().body()).isEqualTo(OVERLOADED);
    }

    @Test
    void beyondMaxRequests_onlyExemptPathsAreServed() throws Exception {
        fill();

        assertThat(server.connect()
                        .send("GET /ask HTTP/1.1\nHost: h\n\n")
                        .read()
                        .body())
                .isEqualTo(OVERLOADED);
        assertThat(server.count("refusedEarly")).as("only bodies count").isZero();
        assertThat(server.connect()
                        .send("GET /health HTTP/1.1\nHost: h\n\n")
                        .read()
                        .status())
                .isEqualTo(200);
    }

    @Test
    void body_noMemory_isRefusedAndKeepsItsConnection() throws IOException {
        server.memory(1 << 10, 512);
        RawClient client = server.connect()
                .send("POST /long HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n5dc\n" + "x".repeat(1500)
                        + "\n0\n\n");

        assertThat(client.read().body()).isEqualTo(OVERLOADED);
        assertThat(client.send("GET /health HTTP/1.1\nHost: h\n\n").read().status())
                .isEqualTo(200);
        assertThat(server.load().bodyBytes().held()).isZero();
    }

    @Test
    void load_everythingAnswered_returnsToZero() throws IOException {
        RawClient client = server.connect();
        client.post("/echo", "x").read();
        client.post("/long", "x\ny").read();
        client.send("GET /health HTTP/1.1\nHost: h\n\n").read();

        assertNothingIsHeld();
    }

    @Test
    void load_clientDisconnected_returnsToZero() throws Exception {
        server.keep();
        RawClient client = server.connect().post("/echo", "x");
        Kept waiting = server.next();
        client.close();

        waiting.echo();

        assertNothingIsHeld();
    }

    @Test
    void connection_beyondMaxConnections_isClosedAndCounted_untilAnotherEnds() throws IOException {
        server.maxConnections(1);
        RawClient first = server.connect();
        first.post("/echo", "x").read();

        assertThat(server.connect().isAtEnd()).isTrue();

        assertThat(server.count("connectionRefused")).isEqualTo(1);
        assertThat(first.post("/echo", "y").read().status()).isEqualTo(200);
        server.closeClients();
        server.awaitConnections(0);
        assertThat(server.connect().post("/echo", "y").read().status()).isEqualTo(200);
    }

    @Test
    void connection_beyondMaxConnections_replacesTheOldestWithoutCredentials() throws IOException {
        Queue<Boolean> replaceable = new ArrayDeque<>(List.of(false, true, true, false));
        server.maxConnections(2).loops(1).admission(remote -> {
            boolean isReplaceable = replaceable.remove();
            return new Visitor() {
                @Override
                public boolean isReplaceable() {
                    return isReplaceable;
                }
            };
        });
        RawClient known = server.connect();
        assertThat(known.post("/echo", "x").read().status()).isEqualTo(200);
        RawClient stranger = server.connect();
        assertThat(stranger.post("/echo", "x").read().status()).isEqualTo(200);

        RawClient second = server.connect();
        assertThat(second.post("/echo", "y").read().status()).isEqualTo(200);
        assertThat(stranger.isAtEnd()).isTrue();
        RawClient third = server.connect();
        assertThat(third.post("/echo", "y").read().status()).isEqualTo(200);
        assertThat(second.isAtEnd()).isTrue();

        assertThat(known.post("/echo", "y").read().status()).isEqualTo(200);
        assertThat(server.count("connectionRefused")).isEqualTo(2);
        server.awaitConnections(2);
    }

    @Test
    void slowBody_memoryShort_isRefusedAndCounted() throws IOException {
        server.memory(1 << 10, 512);
        RawClient slow = server.connect().send(ECHO + "Content-Length: 900\n\n" + "x".repeat(600));

        Reply answer = slow.read();

        assertThat(answer.body()).isEqualTo(OVERLOADED);
        assertThat(slow.isAtEnd()).isTrue();
        assertThat(server.count("slowClient")).isEqualTo(1);
        assertThat(server.load().bodyBytes().held()).isZero();
    }

    @Test
    void slowReaders_memoryShort_areClosed() throws Exception {
        long bound = 16 << 20;
        server.memory(2 * bound, bound);
        server.answer(body -> body.equals("much") ? "y".repeat(3 << 20) : body);
        for (int i = 0; i < 10; i++) {
            server.connectNarrow().post("/echo", "much");
        }

        await().until(() -> server.count("slowClient") > 0);

        await().until(() -> server.load().answerBytes().held() <= bound / 2);
        assertThat(server.connect().post("/echo", "x").read().status()).isEqualTo(200);
    }
}
