// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.http.RawClient.Answer;
import dev.flk.backend.ingest.Submission;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What is too slow ends. The waiting is done by reading from the socket. */
class TimeoutTest {
    private static final Duration SHORT = Duration.ofMillis(200);

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @Test
    void header_tooSlowOnAKeptConnection_is408() throws IOException {
        server.headerTimeout(SHORT);
        RawClient client = server.connect();
        client.post("/v1/pcs/submit", "x").read();

        assertThat(client.send("G").read().status()).isEqualTo(408);
    }

    @Test
    void header_tooSlowAndTheAnswerFails_nextOneTooSlowIs408AllTheSame() throws IOException {
        server.headerTimeout(SHORT);
        server.clock = () -> {
            throw new IllegalStateException("broken");
        };
        assertThat(server.connect().send("G").isAtEnd()).isTrue();
        server.clock = () -> ServerFixture.NOW;

        // as many as there may be event loops
        for (int i = 0; i < Runtime.getRuntime().availableProcessors(); i++) {
            assertThat(server.connect().send("G").read().status()).isEqualTo(408);
        }
    }

    @Test
    void body_tooSlow_is408AndCounted() throws IOException {
        server.bodyTimeout(SHORT);
        RawClient client = server.connect().send("POST /v1/pcs/submit HTTP/1.1\nHost: h\nContent-Length: 9\n\nabc");

        Answer answer = client.read();

        assertThat(answer.status()).isEqualTo(408);
        assertThat(answer.header("connection")).contains("close");
        assertThat(client.isAtEnd()).isTrue();
        assertThat(server.sample("flk_rejected_total{reason=\"slow\",}")).isEqualTo("1.0");
    }

    @Test
    void body_notAskedForYet_isNotTooSlow() throws Exception {
        server.bodyTimeout(SHORT);
        server.ingest.keep();
        RawClient client = server.connect().post("/v1/pcs/submit", "x");
        client.send("POST /v1/pcs/submit HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 1\n\n");
        Submission first = server.ingest.next();

        // another body has been too slow meanwhile
        server.connect()
                .send("POST /v1/pcs/submit HTTP/1.1\nHost: h\nContent-Length: 9\n\nabc")
                .read();
        first.answer().accept(ScriptedIngest.echo("x"));

        assertThat(client.read().status()).isEqualTo(200);
        assertThat(client.readHead().status()).isEqualTo(100);
        client.send("y");
        server.ingest.next().answer().accept(ScriptedIngest.echo("y"));
        assertThat(client.read().body()).isEqualTo("\"y\"");
    }

    @Test
    void body_refusedAndNeverEnded_endsTheConnection() throws IOException {
        server.bodyTimeout(SHORT);
        RawClient client = server.connect().send("POST /v1/pcs/submit HTTP/1.1\nHost: h\nContent-Length: 9999\n\nabc");

        assertThat(client.read().status()).isEqualTo(413);
        assertThat(client.isAtEnd()).isTrue();
        server.awaitNoConnections();
    }

    @Test
    void idle_newConnection_endsWithoutAWord() throws IOException {
        server.idleTimeout(SHORT);

        assertThat(server.connect().isAtEnd()).isTrue();
    }

    @Test
    void idle_afterAnAnswer_endsWithoutAWord() throws IOException {
        server.idleTimeout(SHORT);
        RawClient client = server.connect().post("/v1/pcs/submit", "x");

        assertThat(client.read().status()).isEqualTo(200);
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void idle_emptyLinesOnly_endsWithoutAWord() throws IOException {
        server.idleTimeout(SHORT).headerTimeout(SHORT);

        assertThat(server.connect().send("\n\n").isAtEnd()).isTrue();
    }

    @Test
    void idle_clientThatNeverReads_ends() throws Exception {
        server.idleTimeout(SHORT).bodies(64 << 10, 64 << 10);
        server.ingest.answer(body -> ScriptedIngest.echo("y".repeat(30 << 20)));
        server.connectNarrow().post("/v1/pcs/submit", "x");
        server.ingest.turns.take();

        server.awaitNoConnections();
    }

    @Test
    void idle_clientThatNeverReadsAndHasBegunAnotherRequest_ends() throws Exception {
        server.idleTimeout(SHORT).bodies(64 << 10, 64 << 10);
        server.ingest.answer(body -> ScriptedIngest.echo("y".repeat(30 << 20)));
        server.connectNarrow().post("/v1/pcs/submit", "x").send("GET /hea");
        server.ingest.turns.take();

        server.awaitNoConnections();
    }

    @Test
    void waiting_forIngest_isNotIdle() throws Exception {
        server.idleTimeout(SHORT).headerTimeout(SHORT).bodyTimeout(SHORT);
        server.ingest.keep();
        RawClient waiting = server.connect().post("/v1/pcs/submit", "x");
        var submission = server.ingest.next();

        // another connection has been idle for as long
        assertThat(server.connect().isAtEnd()).isTrue();
        submission.answer().accept(ScriptedIngest.echo("x"));

        assertThat(waiting.read().status()).isEqualTo(200);
    }
}
