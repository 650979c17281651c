// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.http.RawClient.Answer;
import dev.flk.backend.ingest.Submission;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** HTTP/1 itself: order, connections, methods, what is no HTTP. */
class ProtocolTest {
    private static final String SUBMIT = "POST /v1/pcs/submit HTTP/1.1\nHost: h\n";

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @Test
    void answers_outOfOrder_areWrittenInTheOrderOfTheRequests() throws Exception {
        server.ingest.keep();
        RawClient client = server.connect();
        for (String body : List.of("a", "b", "c")) {
            client.post("/v1/pcs/submit", body);
        }
        client.send("GET /health HTTP/1.1\nHost: h\n\n");

        List<Submission> submissions = server.ingest.next(3);
        for (int i : new int[] {2, 1, 0}) {
            echo(submissions.get(i));
        }

        assertThat(client.read().body()).isEqualTo("\"a\"");
        assertThat(client.read().body()).isEqualTo("\"b\"");
        assertThat(client.read().body()).isEqualTo("\"c\"");
        assertThat(client.read().body()).isEqualTo("OK");
    }

    @Test
    void pipelined_inOnePacket_reachIngestAsOneTurn() throws Exception {
        server.connect().send((SUBMIT + "Content-Length: 1\n\nx").repeat(10));

        assertThat(server.ingest.turns.take()).hasSize(10);
    }

    @Test
    void pipelined_moreThanMayWait_areReadWhenAnswersHaveGoneOut() throws Exception {
        server.ingest.keep();
        RawClient client = server.connect().send((SUBMIT + "Content-Length: 1\n\nx").repeat(100));

        List<Submission> first = server.ingest.next(32);
        assertThat(server.get("/health").status()).isEqualTo(200);
        assertThat(server.ingest.hasKept()).isFalse();

        first.forEach(ProtocolTest::echo);
        for (int i = 32; i < 100; i++) {
            echo(server.ingest.next());
        }
        for (int i = 0; i < 100; i++) {
            assertThat(client.read().body()).isEqualTo("\"x\"");
        }
    }

    @Test
    void pipelined_clientThatReadsSlowly_isReadSlowly() throws Exception {
        int read = 2_000;
        int buffered = 1_000;
        server.ingest.answer(body -> ScriptedIngest.echo("y".repeat(10_000)));
        RawClient client = server.connectNarrow();
        Thread sender = new Thread(() -> sendUntilClosed(client, (SUBMIT + "Content-Length: 1\n\nx").repeat(100)));
        sender.start();

        for (int i = 0; i < read; i++) {
            assertThat(client.read().body()).hasSize(10_002);
        }
        int taken = server.ingest.turns.stream().mapToInt(List::size).sum();
        client.close();
        sender.join();

        assertThat(taken).isLessThan(read + buffered);
    }

    @Test
    void connectionClose_afterTheAnswer_ends() throws IOException {
        RawClient client = server.connect().send("GET /health HTTP/1.1\nHost: h\nConnection: close\n\n");

        assertThat(client.read().header("connection")).contains("close");
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void http10_endsAfterTheAnswer_unlessItIsKeptAlive() throws IOException {
        RawClient client = server.connect().send("GET /health HTTP/1.0\nConnection: keep-alive\n\n");

        assertThat(client.read().header("connection")).contains("keep-alive");
        assertThat(client.send("GET /health HTTP/1.0\n\n").read().body()).isEqualTo("OK");
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void halfClosed_withMoreThanMayWait_getsAllAnswers() throws Exception {
        server.ingest.keep();
        RawClient client = server.connect()
                .send((SUBMIT + "Content-Length: 1\n\nx").repeat(50))
                .shutDownOutput();

        for (int i = 0; i < 50; i++) {
            echo(server.ingest.next());
        }

        for (int i = 0; i < 50; i++) {
            assertThat(client.read().status()).isEqualTo(200);
        }
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void halfClosed_insideTheBody_is400() throws IOException {
        RawClient client =
                server.connect().send(SUBMIT + "Content-Length: 10\n\nabc").shutDownOutput();

        Answer answer = client.read();

        assertThat(answer.status()).isEqualTo(400);
        assertThat(answer.body()).isEqualTo("{\"error\":\"the body ended too early\"}");
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void refusedWithABody_skipsTheBodyAndKeepsTheConnection() throws IOException {
        RawClient client = server.connect().post("/nowhere", "some body");

        assertThat(client.read().status()).isEqualTo(404);
        assertThat(client.post("/v1/pcs/submit", "x").read().body()).isEqualTo("\"x\"");
    }

    @Test
    void getWithABody_isServed() throws IOException {
        RawClient client = server.connect().send("GET /health HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc");

        assertThat(client.read().body()).isEqualTo("OK");
        assertThat(client.post("/v1/pcs/submit", "x").read().body()).isEqualTo("\"x\"");
    }

    @ParameterizedTest
    @CsvSource({
        "400,'nonsense\n\n'",
        "400,'POST /v1/pcs/submit HTTP/1.0\nHost: h\nTransfer-Encoding: chunked\n\n0\n\n'",
        "501,'POST /v1/pcs/submit HTTP/1.1\nHost: h\nTransfer-Encoding: gzip, chunked\n\n1\nx\n0\n\n'"
    })
    void malformed_isRefusedAndTheConnectionEnds(int status, String request) throws IOException {
        RawClient client = server.connect().send(request);

        Answer answer = client.read();

        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.body()).startsWith("{\"error\":\"").endsWith("\"}");
        assertThat(answer.header("connection")).contains("close");
        assertThat(client.isAtEnd()).isTrue();
        assertThat(server.ingest.turns).isEmpty();
    }

    @Test
    void malformed_behindARequest_isAnsweredInItsTurn() throws Exception {
        server.ingest.keep();
        RawClient client = server.connect().post("/v1/pcs/submit", "x").send("nonsense\n\n");

        echo(server.ingest.next());

        assertThat(client.read().status()).isEqualTo(200);
        assertThat(client.read().status()).isEqualTo(400);
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void ingestThrowsAndAnswersLater_is500AndKeepsTheConnection() throws Exception {
        server.ingest.keepAndThrow();
        RawClient client = server.connect().post("/v1/pcs/submit", "x");
        Submission kept = server.ingest.next();

        assertThat(client.read().status()).isEqualTo(500);
        echo(kept);
        server.ingest.answer(ScriptedIngest::echo);

        assertThat(client.post("/v1/pcs/submit", "y").read().body()).isEqualTo("\"y\"");
    }

    private static void echo(Submission submission) {
        submission.answer().accept(ScriptedIngest.echo(ScriptedIngest.body(submission)));
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
