// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.http.RawClient.Answer;
import dev.flk.backend.ingest.Submission;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is refused while the server holds as much as it may, and what that costs those who are refused. */
class OverloadTest {
    private static final String OVERLOADED = "{\"error\":\"overloaded\"}";
    private static final String SUBMIT = "POST /v1/pcs/submit HTTP/1.1\nHost: h\n";
    private static final String ID = "5a".repeat(32);

    @RegisterExtension
    private final ServerFixture server = new ServerFixture().stopWithin(Duration.ofMillis(100));

    @Test
    void submission_beyondMaxRequests_isRefusedEarlyAndCounted() throws Exception {
        server.maxRequests(1).ingest.keep();
        server.connect().post("/v1/pcs/submit", "a");
        server.ingest.next();

        Answer refused = server.submit("b");

        assertThat(refused.status()).isEqualTo(503);
        assertThat(refused.body()).isEqualTo(OVERLOADED);
        assertThat(refused.header("retry-after")).contains("1");
        assertThat(server.ingest.hasKept()).isFalse();
        assertThat(server.sample("flk_refused_early_total")).isEqualTo("1.0");
        assertThat(server.sample("flk_unavailable_total{cause=\"overloaded\",}"))
                .isEqualTo("1.0");
    }

    @ParameterizedTest
    @CsvSource({"submit,900", "batch,3000"})
    void refused_keepsItsConnection(String endpoint, int bytes) throws Exception {
        server.maxRequests(1).ingest.keep();
        server.connect().post("/v1/pcs/submit", "a");
        Submission first = server.ingest.next();
        RawClient client = server.connect().post("/v1/pcs/" + endpoint, "b".repeat(bytes));
        assertThat(client.read().status()).isEqualTo(503);

        first.answer().accept(ScriptedIngest.echo("a"));
        await().until(() -> server.sample("flk_http_requests_in_flight").equals("0.0"));
        server.ingest.answer(ScriptedIngest::echo);

        assertThat(client.post("/v1/pcs/" + endpoint, "c").read().status()).isEqualTo(200);
    }

    @Test
    void submission_thatWaitsToBeAskedForItsBody_isRefusedWithoutIt() throws Exception {
        server.maxRequests(1).ingest.keep();
        server.connect().post("/v1/pcs/submit", "a");
        server.ingest.next();

        RawClient client = server.connect().send(SUBMIT + "Content-Length: 3\nExpect: 100-continue\n\n");

        assertThat(client.read().status()).isEqualTo(503);
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void submission_overTheLimit_is413EvenThen() throws Exception {
        server.maxRequests(1).ingest.keep();
        server.connect().post("/v1/pcs/submit", "a");
        server.ingest.next();

        assertThat(server.connect()
                        .send(SUBMIT + "Content-Length: 1001\n\n")
                        .read()
                        .status())
                .isEqualTo(413);
    }

    @Test
    void pipelined_beyondMaxRequests_areAnsweredInTheirOrder() throws Exception {
        server.maxRequests(1).ingest.keep();
        RawClient client = server.connect()
                .post("/v1/pcs/submit", "a")
                .post("/v1/pcs/submit", "b")
                .post("/v1/pcs/submit", "c");
        await().until(() -> server.sample("flk_refused_early_total").equals("2.0"));

        server.ingest.next().answer().accept(ScriptedIngest.echo("a"));

        assertThat(client.read().body()).isEqualTo("\"a\"");
        assertThat(client.read().body()).isEqualTo(OVERLOADED);
        assertThat(client.read().body()).isEqualTo(OVERLOADED);
    }

    @Test
    void lookUp_beyondMaxRequests_isRefusedAndNoSubmission() throws Exception {
        server.maxRequests(1).ingest.keep();
        server.ingest.store(id -> Optional.empty());
        server.connect().post("/v1/pcs/submit", "a");
        server.ingest.next();

        assertThat(server.get("/v1/pcs/" + ID).body()).isEqualTo(OVERLOADED);
        assertThat(server.sample("flk_refused_early_total")).isEqualTo("0.0");
    }

    @Test
    void operations_beyondMaxRequests_areServed() throws Exception {
        server.maxRequests(1).ingest.keep();
        server.connect().post("/v1/pcs/submit", "a");
        server.ingest.next();

        assertThat(server.get("/health").status()).isEqualTo(200);
        assertThat(server.get("/readyz").status()).isEqualTo(200);
        assertThat(server.get("/metrics").body()).contains("flk_http_requests_in_flight 1.0");
    }

    @Test
    void body_forWhichThereIsNoMemory_isRefusedAndKeepsItsConnection() throws IOException {
        server.heap(4 << 10); // 1 KiB for bodies, 512 bytes for answers
        server.bodies(1000, 4000);
        RawClient client = server.connect()
                .send("POST /v1/pcs/batch HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n" + "5dc\n"
                        + "x".repeat(1500) + "\n0\n\n");

        assertThat(client.read().body()).isEqualTo(OVERLOADED);
        assertThat(client.send("GET /health HTTP/1.1\nHost: h\n\n").read().status())
                .isEqualTo(200);
        assertThat(server.sample("flk_http_body_bytes")).isEqualTo("0.0");
    }

    @Test
    void batch_whoseAnswersNeedMoreThanThereIs_isRefusedBeforeIngestSeesIt() throws IOException {
        server.heap(24 << 10); // 3 KiB for answers
        Answer answer = server.batch("\n\n\n\n\n");

        assertThat(answer.body()).isEqualTo(OVERLOADED);
        assertThat(server.ingest.turns).isEmpty();
        assertThat(server.sample("flk_http_body_bytes")).isEqualTo("0.0");
    }

    @Test
    void gauges_afterEverythingWasAnswered_areBackAtNothing() throws IOException {
        RawClient client = server.connect();
        client.post("/v1/pcs/submit", "x").read();
        client.post("/v1/pcs/batch", "x\ny").read();
        client.send("GET /metrics HTTP/1.1\nHost: h\n\n").read();

        assertThat(server.sample("flk_http_requests_in_flight")).isEqualTo("0.0");
        assertThat(server.sample("flk_http_body_bytes")).isEqualTo("0.0");
        await().until(() -> server.sample("flk_http_answer_bytes").equals("0.0"));
    }

    @Test
    void gauges_afterTheClientWentAway_areBackAtNothing() throws Exception {
        server.ingest.keep();
        RawClient client = server.connect().post("/v1/pcs/submit", "x");
        Submission waiting = server.ingest.next();
        client.close();

        waiting.answer().accept(ScriptedIngest.echo("x"));

        await().until(() -> server.sample("flk_http_requests_in_flight").equals("0.0")
                && server.sample("flk_http_body_bytes").equals("0.0")
                && server.sample("flk_http_answer_bytes").equals("0.0"));
    }

    @Test
    void connection_beyondMaxConnections_isClosedAndCounted() throws IOException {
        server.maxConnections(1);
        RawClient first = server.connect();
        first.post("/v1/pcs/submit", "x").read();

        assertThat(server.connect().isAtEnd()).isTrue();

        assertThat(server.sample("flk_http_connections_refused_total")).isEqualTo("1.0");
        assertThat(first.post("/v1/pcs/submit", "y").read().status()).isEqualTo(200);
    }

    @Test
    void connection_afterAnotherEnded_isTaken() throws IOException {
        server.maxConnections(1);
        server.connect().post("/v1/pcs/submit", "x").read();
        server.closeClients();
        server.awaitNoConnections();

        assertThat(server.submit("y").status()).isEqualTo(200);
    }

    @Test
    void slowBody_whileMemoryIsShort_losesItsConnectionToOthers() throws IOException {
        server.heap(4 << 10);
        RawClient slow = server.connect().send(SUBMIT + "Content-Length: 900\n\n" + "x".repeat(600));

        Answer answer = slow.read();

        assertThat(answer.body()).isEqualTo(OVERLOADED);
        assertThat(slow.isAtEnd()).isTrue();
        assertThat(server.sample("flk_http_slow_clients_total")).isEqualTo("1.0");
        assertThat(server.sample("flk_http_body_bytes")).isEqualTo("0.0");
    }

    @Test
    void slowReaders_whileMemoryIsShort_areClosedUntilItIsNot() throws Exception {
        long bound = 16 << 20;
        server.heap(8 * bound);
        server.ingest.answer(body -> ScriptedIngest.echo(body.equals("much") ? "y".repeat(3 << 20) : body));
        for (int i = 0; i < 10; i++) {
            server.connectNarrow().post("/v1/pcs/submit", "much");
        }

        await().until(() -> value("flk_http_slow_clients_total") > 0);

        await().until(() -> value("flk_http_answer_bytes") <= bound / 2.0);
        assertThat(server.submit("x").status()).isEqualTo(200);
    }

    private double value(String sample) {
        return Double.parseDouble(server.sample(sample));
    }
}
