// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.agents.AgentMetrics;
import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Submission;
import dev.flk.backend.ingest.RefusedSubmissions;
import dev.flk.backend.serve.guard.OperatorConfig;
import dev.flk.backend.serve.guard.OperatorRefusals;
import dev.flk.backend.serve.guard.TrustedProxies;
import dev.flk.certificate.PcsId;
import dev.flk.http.testing.FuzzedConnection;
import dev.flk.http.testing.FuzzedConnection.Answering;
import dev.flk.http.testing.FuzzedConnection.Seen;
import dev.flk.program.metrics.Metrics;
import dev.flk.sample.FuzzInputs;
import dev.flk.verification.Policy;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.params.provider.ArgumentsSource;

/**
 * Tests that random batches are split like in a simple reference, and that the answers are in the order of the lines.
 * Strings are Latin-1, so each character is one byte.
 */
class BatchFuzzTest {
    private static final int MAX_BODY_BYTES = 200;
    private static final int MAX_BATCH_LINES = 4;
    private static final int MAX_BATCH_BYTES = 300;
    private static final long HEAP_BYTES = 64 << 20;
    private static final Duration LONG = Duration.ofMinutes(10);
    private static final Metrics METRICS = new Metrics("test");
    private static final AgentMetrics AGENT_METRICS = new AgentMetrics(METRICS);
    private static final HttpMetrics HTTP_METRICS = new HttpMetrics(METRICS, new RefusedSubmissions(METRICS));
    private static final OperatorRefusals OPERATOR_REFUSALS = new OperatorRefusals(METRICS, () -> 0);
    private static final HttpConfig CONFIG = new HttpConfig(
            0,
            "127.0.0.1",
            MAX_BODY_BYTES,
            MAX_BATCH_LINES,
            MAX_BATCH_BYTES,
            10,
            1000,
            LONG,
            LONG,
            LONG,
            TrustedProxies.NONE,
            new OperatorConfig(null, Set.of(), true, null));

    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void anyBatch_isSplitIntoItsLines(byte[] body) {
        byte[] head = ("POST /v1/pcs/batch HTTP/1.1\r\nHost: h\r\nContent-Length: " + body.length + "\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII);
        String text = new String(body, StandardCharsets.ISO_8859_1);

        for (Answering answering : Answering.values()) {
            Seen seen = send(List.of(head, body), answering);

            assertThat(seen.answers()).hasSize(1);
            String answer = seen.answers().get(0);
            int lines = lines(text).size();
            if (body.length > MAX_BATCH_BYTES || lines > MAX_BATCH_LINES) {
                assertThat(answer).startsWith("HTTP/1.1 413 ");
                assertThat(seen.submitted()).isEmpty();
            } else if (lines == 0) {
                assertThat(answer).startsWith("HTTP/1.1 400 ");
                assertThat(seen.submitted()).isEmpty();
            } else {
                assertThat(answer).startsWith("HTTP/1.1 200 ").endsWith("\r\n\r\n" + answer(text));
                assertThat(seen.submitted()).isEqualTo(submitted(text));
            }
        }
    }

    private static Seen send(List<byte[]> pieces, Answering answering) {
        FuzzedConnection connection = new FuzzedConnection(answering);
        Ingest ingest = new Ingest() {
            @Override
            public void submit(List<Submission> turn) {
                for (Submission submission : turn) {
                    byte[] body = submission.body().get();
                    var outcome = ScriptedIngest.echo(hex(body));
                    connection.serve(body, () -> submission.answer().accept(outcome));
                }
            }

            @Override
            public void lookUp(PcsId id, boolean isOperator, Consumer<Optional<Outcome>> answer) {
                throw new AssertionError("nothing is looked up");
            }
        };
        Limits.Sizes sizes = new Limits.Sizes(BigDecimal.ONE, 1, null, BigDecimal.ZERO, 1, 10);
        Limits limits = new Limits(sizes, () -> 0, new Metrics("test"));
        BackendServer server = new BackendServer(
                new BackendServer.Parts(
                        "backend-1",
                        CONFIG,
                        ingest,
                        new SubmissionHeaders("0123456789abcdef", 1),
                        List::of,
                        Features::none,
                        new BackendServer.ServerMetrics(METRICS, HTTP_METRICS, AGENT_METRICS, OPERATOR_REFUSALS),
                        Policy.defaults(),
                        () -> Instant.EPOCH,
                        () -> 0,
                        Duration.ZERO),
                false,
                null,
                limits,
                HEAP_BYTES);
        try (server) {
            return connection.send(server.server(), server.door(), pieces);
        }
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    /** Returns the lines of a batch regardless of their length and number; a slow, simple reference. */
    private static List<String> lines(String body) {
        List<String> lines = new ArrayList<>(List.of(body.split("\n", -1)));
        if (lines.get(lines.size() - 1).isEmpty()) {
            lines.remove(lines.size() - 1); // no line begins after the last newline
        }
        boolean lastHasNewline = body.endsWith("\n");
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            boolean hasNewline = lastHasNewline || i < lines.size() - 1;
            lines.set(i, hasNewline && line.endsWith("\r") ? line.substring(0, line.length() - 1) : line);
        }
        return lines;
    }

    /** Returns the lines that ingest must receive. */
    private static List<String> submitted(String body) {
        List<String> lines = lines(body);
        return lines.size() > MAX_BATCH_LINES
                ? List.of()
                : lines.stream().filter(line -> line.length() <= MAX_BODY_BYTES).toList();
    }

    /** Returns the expected answer to a batch, which echoes each line in hex. */
    private static String answer(String body) {
        StringBuilder answer = new StringBuilder();
        for (String line : lines(body)) {
            answer.append(
                    line.length() > MAX_BODY_BYTES
                            ? "{\"status\":413,\"body\":{\"error\":\"body over 200 bytes\"}}\n"
                            : "{\"status\":200,\"body\":\"" + hex(line.getBytes(StandardCharsets.ISO_8859_1))
                                    + "\"}\n");
        }
        return answer.toString();
    }
}
