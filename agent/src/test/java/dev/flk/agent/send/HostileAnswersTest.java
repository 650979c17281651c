// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.send.SubmitResult.Kind;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Answers that do not end, or are not HTTP. Each is an outage, and the connection is closed. */
class HostileAnswersTest {
    /** More than the buffers of the kernel hold, and less than what would harm an agent with a small heap. */
    private static final long MOST_SENT_BYTES = 12 << 20;

    private static final String OK = "HTTP/1.1 200 OK\r\n";
    private static final Map<String, List<String>> ANSWERS = Map.ofEntries(
            answer("a body with a length", OK + "Content-Length: 99999999999\r\n\r\n", "{\"status\":200}\n"),
            answer("a body without a length", OK + "\r\n", "x"),
            answer("a chunked body", OK + "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"),
            answer("a refusal", "HTTP/1.1 400 Bad Request\r\n\r\n", " "),
            answer("a compressed body", OK + "Content-Encoding: gzip\r\n\r\n", "\37\213"),
            answer("the digits of a chunk", OK + "Transfer-Encoding: chunked\r\n\r\n", "0"),
            answer("the extension of a chunk", OK + "Transfer-Encoding: chunked\r\n\r\n1;", "x"),
            answer("trailers", OK + "Transfer-Encoding: chunked\r\n\r\n0\r\n", "a: b\r\n"),
            answer("a status line", "HTTP/1.1 200 ", "x"),
            answer("the name of a header", OK, "x"),
            answer("the value of a header", OK + "a: ", "x"),
            answer("headers", OK, "a: b\r\n"),
            answer("headers without a name", OK, ":\r\n"),
            answer("interim answers", "", "HTTP/1.1 100 Continue\r\n\r\n"),
            answer("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "x"),
            answer("a length that is not a number", OK + "Content-Length: x\r\n\r\n", "x"));

    private static Map.Entry<String, List<String>> answer(String name, String beginning, String repeated) {
        return Map.entry(name, List.of(beginning, repeated));
    }

    static List<String> names() {
        return ANSWERS.keySet().stream().sorted().toList();
    }

    @ParameterizedTest
    @MethodSource("names")
    void batch_answerWithoutEnd_isAnOutageAndClosesTheConnection(String name) throws Exception {
        List<String> answer = ANSWERS.get(name);
        Batch batch = Certificates.batch();
        try (HostileServer server = new HostileServer(answer.get(0), answer.get(1));
                BackendClient client = new BackendClient(server.endpoint(), Duration.ofSeconds(10), Optional.empty())) {
            CompletableFuture<List<SubmitResult>> read = new CompletableFuture<>();

            client.submitBatch(batch, (reply, failure) -> read.complete(AnswerReader.read(batch, reply, failure)));

            assertThat(read.get(30, TimeUnit.SECONDS))
                    .hasSize(2)
                    .allSatisfy(result -> assertThat(result.kind()).isEqualTo(Kind.NO_ANSWER));
            assertThat(server.sentBytes()).isLessThan(MOST_SENT_BYTES);
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void health_answerWithoutEnd_isAnOutageAndClosesTheConnection(String name) throws Exception {
        List<String> answer = ANSWERS.get(name);
        try (HostileServer server = new HostileServer(answer.get(0), answer.get(1));
                BackendClient client = new BackendClient(server.endpoint(), Duration.ofSeconds(10), Optional.empty())) {
            CompletableFuture<Throwable> failed = new CompletableFuture<>();

            client.health((reply, failure) ->
                    failed.complete(failure == null ? new IOException("an answer: " + reply) : failure));

            assertThat(AnswerReader.describe(failed.get(30, TimeUnit.SECONDS))).startsWith("no answer: ");
            assertThat(server.sentBytes()).isLessThan(MOST_SENT_BYTES);
        }
    }
}
