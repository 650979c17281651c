// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.Outcome;
import dev.flk.backend.ingest.Outcome.Cause;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.backend.ingest.Submission;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The single endpoint: each outcome's status, headers and body. */
class SubmitTest {
    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @ParameterizedTest
    @ValueSource(ints = {200, 202})
    void submit_decided_givesStatusAndExactBody(int status) throws IOException {
        server.ingest.answer(body -> ScriptedIngest.decided(status, "{\"pcs_id\":\"ab\",\"r\":1.0}", Relation.FIRST));

        RawAnswer answer = server.submit("{}");

        assertThat(answer.status()).isEqualTo(status);
        assertThat(answer.body()).isEqualTo("{\"pcs_id\":\"ab\",\"r\":1.0}");
        assertThat(answer.header("content-type")).contains("application/json");
        assertThat(answer.header("x-flk-duplicate")).isEmpty();
        assertThat(answer.header("x-flk-conflict")).isEmpty();
    }

    @Test
    void submit_duplicate_saysSo() throws IOException {
        server.ingest.answer(body -> ScriptedIngest.decided(202, "{}", Relation.DUPLICATE));

        RawAnswer answer = server.submit("{}");

        assertThat(answer.status()).isEqualTo(202);
        assertThat(answer.header("x-flk-duplicate")).contains("true");
        assertThat(answer.header("x-flk-conflict")).isEmpty();
    }

    @Test
    void submit_conflict_saysThatItIsADuplicateToo() throws IOException {
        server.ingest.answer(body -> ScriptedIngest.decided(200, "{}", Relation.CONFLICT));

        RawAnswer answer = server.submit("{}");

        assertThat(answer.header("x-flk-duplicate")).contains("true");
        assertThat(answer.header("x-flk-conflict")).contains("true");
    }

    @Test
    void submit_malformed_givesTheErrorEscaped() throws IOException {
        server.ingest.answer(body -> new Outcome.Malformed("bad \"ä\"\n"));

        RawAnswer answer = server.submit("{}");

        assertThat(answer.status()).isEqualTo(400);
        assertThat(answer.body()).isEqualTo("{\"error\":\"bad \\\"\\u00e4\\\"\\n\"}");
    }

    @Test
    void submit_badSignature_is401() throws IOException {
        server.ingest.answer(body -> new Outcome.BadSignature());

        RawAnswer answer = server.submit("{}");

        assertThat(answer.status()).isEqualTo(401);
        assertThat(answer.body()).isEqualTo("{\"error\":\"Signature verification failed\"}");
    }

    @Test
    void submit_rateLimited_is429WithRetryAfter() throws IOException {
        server.ingest.answer(body -> new Outcome.RateLimited(7));

        RawAnswer answer = server.submit("{}");

        assertThat(answer.status()).isEqualTo(429);
        assertThat(answer.body()).isEqualTo("{\"error\":\"Too many requests\"}");
        assertThat(answer.header("retry-after")).contains("7");
    }

    @Test
    void submit_retryAfterLessThanASecond_isOneSecond() throws IOException {
        server.ingest.answer(body -> new Outcome.RateLimited(0));

        assertThat(server.submit("{}").header("retry-after")).contains("1");
    }

    @Test
    void submit_logFailed_is500() throws IOException {
        server.ingest.answer(body -> new Outcome.LogFailed());

        RawAnswer answer = server.submit("{}");

        assertThat(answer.status()).isEqualTo(500);
        assertThat(answer.body()).isEqualTo("{\"error\":\"log append failed\"}");
    }

    @ParameterizedTest
    @EnumSource(Cause.class)
    void submit_unavailable_is503WithCauseAndRetryAfter(Cause cause) throws IOException {
        server.ingest.answer(body -> new Outcome.Unavailable(cause, 3));

        RawAnswer answer = server.submit("{}");

        assertThat(answer.status()).isEqualTo(503);
        assertThat(answer.body()).isEqualTo("{\"error\":\"" + cause.error() + "\"}");
        assertThat(answer.header("retry-after")).contains("3");
    }

    @Test
    void submit_anyAnswer_hasADate() throws IOException {
        assertThat(server.submit("{}").header("date")).contains("Fri, 09 Jan 2026 10:30:45 GMT");
    }

    @ParameterizedTest
    @ValueSource(strings = {"application/x-www-form-urlencoded", "text/plain", "nonsense"})
    void submit_anyContentType_isTaken(String contentType) throws IOException {
        RawAnswer answer = server.connect()
                .post("/v1/pcs/submit", new byte[] {'x'}, "Content-Type: " + contentType)
                .read();

        assertThat(answer.body()).isEqualTo("\"x\"");
    }

    @Test
    void submit_withQuery_isTaken() throws IOException {
        assertThat(server.connect().post("/v1/pcs/submit?a=b", "x").read().status())
                .isEqualTo(200);
    }

    @Test
    void submit_noBody_reachesIngestEmpty() throws IOException {
        RawAnswer answer = server.connect()
                .send("POST /v1/pcs/submit HTTP/1.1\nHost: h\n\n")
                .read();

        assertThat(answer.body()).isEqualTo("\"\"");
    }

    @Test
    void submit_answerFromAnotherThread_isWritten() throws Exception {
        server.ingest.keep();
        RawClient client = server.connect().post("/v1/pcs/submit", "x");

        Outcome outcome = ScriptedIngest.echo("late");
        CompletableFuture.runAsync(() -> answerNext(outcome)).join();

        assertThat(client.read().body()).isEqualTo("\"late\"");
    }

    @Test
    void submit_ingestThrows_is500() throws IOException {
        server.ingest.answer(body -> {
            throw new IllegalStateException("broken");
        });

        RawAnswer answer = server.submit("x");

        assertThat(answer.status()).isEqualTo(500);
        assertThat(answer.body()).isEqualTo("{\"error\":\"internal error\"}");
    }

    @Test
    void submit_ingestThrowsAndAnswersLater_keepsTheFirstAnswer() throws Exception {
        server.ingest.keepAndThrow();
        RawClient client = server.connect().post("/v1/pcs/submit", "x");
        Submission kept = server.ingest.next();

        assertThat(client.read().status()).isEqualTo(500);
        kept.answer().accept(ScriptedIngest.echo("x"));
        server.ingest.answer(ScriptedIngest::echo);

        assertThat(client.post("/v1/pcs/submit", "y").read().body()).isEqualTo("\"y\"");
    }

    @Test
    void submit_manyAtOnceFromARealClient_answersEachItsOwn() throws IOException {
        HttpClient client = HttpClient.newHttpClient();
        URI uri = URI.create("http://127.0.0.1:" + server.port() + "/v1/pcs/submit");

        List<CompletableFuture<HttpResponse<String>>> answers = IntStream.range(0, 200)
                .mapToObj(i -> HttpRequest.newBuilder(uri)
                        .POST(BodyPublishers.ofString("c" + i))
                        .build())
                .map(request -> client.sendAsync(request, BodyHandlers.ofString()))
                .toList();

        for (int i = 0; i < answers.size(); i++) {
            assertThat(answers.get(i).join().body()).isEqualTo("\"c" + i + "\"");
        }
    }

    @Test
    void submit_answered_isCountedAndTimed() throws IOException {
        server.submit("{}");

        assertThat(server.sample("flk_submit_seconds_count")).isEqualTo("1.0");
        assertThat(server.sample("flk_http_answers_total{status=\"200\",}")).isEqualTo("1.0");
    }

    private void answerNext(Outcome outcome) {
        try {
            server.ingest.next().answer().accept(outcome);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
