// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.http.TestServer.Kept;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of HTTP/1 itself: order, connections, methods, input that is not HTTP. */
class ProtocolTest {
    private static final String SUBMIT = "POST /echo HTTP/1.1\nHost: h\n";

    @RegisterExtension
    private final TestServer server = new TestServer();

    @Test
    void answers_outOfOrder_areWrittenInTheOrderOfTheRequests() throws Exception {
        server.keep();
        RawClient client = server.connect();
        for (String body : List.of("a", "b", "c")) {
            client.post("/echo", body);
        }
        client.send("GET /health HTTP/1.1\nHost: h\n\n");

        List<Kept> requests = server.next(3);
        for (int i : new int[] {2, 1, 0}) {
            requests.get(i).echo();
        }

        assertThat(client.read().body()).isEqualTo("\"a\"");
        assertThat(client.read().body()).isEqualTo("\"b\"");
        assertThat(client.read().body()).isEqualTo("\"c\"");
        assertThat(client.read().body()).isEqualTo("OK");
    }

    @Test
    void pipelined_beyondTheLimit_areReadOnceAnswersAreSent() throws Exception {
        server.keep();
        RawClient client = server.connect().send((SUBMIT + "Content-Length: 1\n\nx").repeat(100));

        List<Kept> first = server.next(32);
        assertThat(server.connect()
                        .send("GET /health HTTP/1.1\nHost: h\n\n")
                        .read()
                        .status())
                .isEqualTo(200);
        assertThat(server.hasKept()).isFalse();

        first.forEach(Kept::echo);
        for (int i = 32; i < 100; i++) {
            server.next().echo();
        }
        for (int i = 0; i < 100; i++) {
            assertThat(client.read().body()).isEqualTo("\"x\"");
        }
    }

    @Test
    void pipelined_clientThatReadsSlowly_isReadSlowly() throws Exception {
        int read = 2_000;
        int buffered = 1_000;
        server.answer(body -> "y".repeat(10_000));
        RawClient client = server.connectNarrow();
        Thread sender = new Thread(() -> sendUntilClosed(client, (SUBMIT + "Content-Length: 1\n\nx").repeat(100)));
        sender.start();

        for (int i = 0; i < read; i++) {
            assertThat(client.read().body()).hasSize(10_002);
        }
        int taken = server.served.size();
        client.close();
        sender.join();

        assertThat(taken).isLessThan(read + buffered);
    }

    @Test
    void connectionClose_closesAfterTheAnswer() throws IOException {
        RawClient client = server.connect().send("GET /health HTTP/1.1\nHost: h\nConnection: close\n\n");

        Reply answer = client.read();
        assertThat(answer.header("connection")).contains("close");
        assertThat(answer.header("date")).contains("Fri, 09 Jan 2026 10:30:45 GMT");
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void http10_closesAfterTheAnswer_unlessKeptAlive() throws IOException {
        RawClient client = server.connect().send("GET /health HTTP/1.0\nConnection: keep-alive\n\n");

        assertThat(client.read().header("connection")).contains("keep-alive");
        assertThat(client.send("GET /health HTTP/1.0\n\n").read().body()).isEqualTo("OK");
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void halfClosed_beyondThePipelineLimit_getsAllAnswers() throws Exception {
        server.keep();
        RawClient client = server.connect()
                .send((SUBMIT + "Content-Length: 1\n\nx").repeat(50))
                .shutDownOutput();

        for (int i = 0; i < 50; i++) {
            server.next().echo();
        }

        for (int i = 0; i < 50; i++) {
            assertThat(client.read().status()).isEqualTo(200);
        }
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void halfClosed_longAnswer_isSentCompletely() throws Exception {
        int length = 8 << 20;
        server.loops(1).keep();
        RawClient client = server.connectNarrow().post("/echo", "x").shutDownOutput();
        Kept request = server.next();

        // the only event loop has read the end of the input before it answers a later connection
        server.connect().send("GET /health HTTP/1.1\nHost: h\n\n").read();
        request.exchange().answer(Answer.text(200, "y".repeat(length)));

        assertThat(client.read().body().length()).isEqualTo(length);
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void halfClosed_insideTheBody_is408() throws IOException {
        RawClient client =
                server.connect().send(SUBMIT + "Content-Length: 10\n\nabc").shutDownOutput();

        Reply answer = client.read();

        assertThat(answer.status()).isEqualTo(408);
        assertThat(answer.header("retry-after")).contains("1");
        assertThat(answer.body()).isEqualTo("{\"error\":\"the body ended too early\"}");
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void refusedWithABody_skipsTheBodyAndKeepsTheConnection() throws IOException {
        RawClient client = server.connect().post("/nowhere", "some body");

        assertThat(client.read().status()).isEqualTo(404);
        assertThat(client.post("/echo", "x").read().body()).isEqualTo("\"x\"");
    }

    @Test
    void getWithABody_isServed() throws IOException {
        RawClient client = server.connect().send("GET /health HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc");

        assertThat(client.read().body()).isEqualTo("OK");
        assertThat(client.post("/echo", "x").read().body()).isEqualTo("\"x\"");
    }

    @ParameterizedTest
    @CsvSource({
        "400,'nonsense\n\n'",
        "400,'POST /echo HTTP/1.0\nHost: h\nTransfer-Encoding: chunked\n\n0\n\n'",
        "501,'POST /echo HTTP/1.1\nHost: h\nTransfer-Encoding: gzip, chunked\n\n1\nx\n0\n\n'"
    })
    void malformed_isRefusedAndClosesTheConnection(int status, String request) throws IOException {
        RawClient client = server.connect().send(request);

        Reply answer = client.read();

        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.body()).startsWith("{\"error\":\"").endsWith("\"}");
        assertThat(answer.header("connection")).contains("close");
        assertThat(client.isAtEnd()).isTrue();
        assertThat(server.served).isEmpty();
    }

    @Test
    void malformed_afterARequest_isAnsweredInOrder() throws Exception {
        server.keep();
        RawClient client = server.connect().post("/echo", "x").send("nonsense\n\n");

        server.next().echo();

        assertThat(client.read().status()).isEqualTo(200);
        assertThat(client.read().status()).isEqualTo(400);
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void endpoint_throwsAndAnswersLater_is500AndKeepsTheConnection() throws Exception {
        server.keepAndThrow();
        RawClient client = server.connect().post("/echo", "x");
        Kept kept = server.next();

        assertThat(client.read().status()).isEqualTo(500);
        kept.echo();
        server.answer(body -> body);

        assertThat(client.post("/echo", "y").read().body()).isEqualTo("\"y\"");
    }

    private static void sendUntilClosed(RawClient client, String text) {
        assertThatThrownBy(() -> {
                    while (true) {
                        client.send(text);
                    }
                })
                .isInstanceOf(IOException.class);
    }
}
