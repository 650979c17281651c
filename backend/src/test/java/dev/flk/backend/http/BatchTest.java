// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.Outcome;
import dev.flk.backend.ingest.Outcome.Cause;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.backend.ingest.Submission;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BatchTest {
    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @Test
    void batch_twoLines_givesTwoLinesInOrder() throws IOException {
        RawAnswer answer = server.batch("a\nb\n");

        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.header("content-type")).contains("application/x-ndjson");
        assertThat(answer.body()).isEqualTo("{\"status\":200,\"body\":\"a\"}\n{\"status\":200,\"body\":\"b\"}\n");
    }

    @Test
    void batch_everyKindOfOutcome_saysWhatTheSingleAnswerWould() throws IOException {
        server.ingest.answer(body -> switch (body) {
            case "duplicate" -> ScriptedIngest.decided(202, "{}", Relation.DUPLICATE);
            case "conflict" -> ScriptedIngest.decided(200, "{}", Relation.CONFLICT);
            case "limited" -> new Outcome.RateLimited(2);
            case "down" -> new Outcome.Unavailable(Cause.STORE, 0);
            default -> new Outcome.Malformed("no");
        });

        assertThat(server.batch("duplicate\nconflict\nlimited\ndown\n?").body()).isEqualTo("""
                        {"status":202,"body":{},"duplicate":true}
                        {"status":200,"body":{},"duplicate":true,"conflict":true}
                        {"status":429,"body":{"error":"Too many requests"},"retry_after":2}
                        {"status":503,"body":{"error":"dedup store unavailable"},"retry_after":1}
                        {"status":400,"body":{"error":"no"}}
                        """);
    }

    @Test
    void batch_answersOutOfOrder_keepTheirPlaces() throws Exception {
        server.ingest.keep();
        RawClient client = server.connect().post("/v1/pcs/batch", "a\nb\nc");

        List<Submission> lines = server.ingest.next(3);
        for (int line : new int[] {2, 0, 1}) {
            lines.get(line).answer().accept(ScriptedIngest.echo(ScriptedIngest.body(lines.get(line))));
        }

        assertThat(client.read().body().lines())
                .containsExactly(
                        "{\"status\":200,\"body\":\"a\"}",
                        "{\"status\":200,\"body\":\"b\"}",
                        "{\"status\":200,\"body\":\"c\"}");
    }

    @Test
    void batch_lines_reachIngestAsOneTurn() throws Exception {
        server.batch("a\nb\nc");

        assertThat(server.ingest.turns.take()).extracting(ScriptedIngest::body).containsExactly("a", "b", "c");
    }

    @Test
    void batch_ingestThrowsHalfWay_keepsWhatWasAnsweredAndSays500OfTheRest() throws IOException {
        server.ingest.answer(body -> {
            if (body.equals("bad")) {
                throw new IllegalStateException("broken");
            }
            return ScriptedIngest.echo(body);
        });

        assertThat(server.batch("a\nbad\nb\n").body()).isEqualTo("""
                {"status":200,"body":"a"}
                {"status":500,"body":{"error":"internal error"}}
                {"status":500,"body":{"error":"internal error"}}
                """);
    }

    @Test
    void batch_lineOverTheBodyLimit_is413AndSpoilsNoOther() throws IOException {
        String tooLong = "x".repeat(ServerFixture.MAX_BODY_BYTES + 1);

        assertThat(server.batch("a\n" + tooLong + "\nb").body().lines())
                .containsExactly(
                        "{\"status\":200,\"body\":\"a\"}",
                        "{\"status\":413,\"body\":{\"error\":\"body over 1000 bytes\"}}",
                        "{\"status\":200,\"body\":\"b\"}");
    }

    @Test
    void batch_onlyLinesOverTheLimit_isAnswered() throws IOException {
        String tooLong = "x".repeat(ServerFixture.MAX_BODY_BYTES + 1);

        assertThat(server.batch(tooLong).body()).startsWith("{\"status\":413,");
    }

    @Test
    void batch_lineOfExactlyTheBodyLimit_isTaken() throws IOException {
        String longest = "x".repeat(ServerFixture.MAX_BODY_BYTES);

        assertThat(server.batch(longest + "\r\n").body()).isEqualTo("{\"status\":200,\"body\":\"" + longest + "\"}\n");
    }

    @ParameterizedTest
    @CsvSource({"'a\nb',2", "'a\nb\n',2", "'a\r\nb\r\n',2", "'a\n\nb',3", "'\n',1", "'a\nb\n\n',3"})
    void batch_newlines_endLines(String body, int lines) throws IOException {
        assertThat(server.batch(body).body().lines()).hasSize(lines);
    }

    @Test
    void batch_carriageReturns_areNotPartOfTheLines() throws Exception {
        server.batch("a\r\nb\r\n");

        assertThat(server.ingest.turns.take()).extracting(ScriptedIngest::body).containsExactly("a", "b");
    }

    @Test
    void batch_empty_is400() throws IOException {
        RawAnswer answer = server.batch("");

        assertThat(answer.status()).isEqualTo(400);
        assertThat(answer.body()).startsWith("{\"error\":\"empty batch");
    }

    @Test
    void batch_mostLines_areTaken() throws IOException {
        assertThat(server.batch("x\n".repeat(ServerFixture.MAX_BATCH_LINES)).status())
                .isEqualTo(200);
    }

    @Test
    void batch_tooManyLines_is413AndNothingIsSubmitted() throws IOException {
        RawAnswer answer = server.batch("x\n".repeat(ServerFixture.MAX_BATCH_LINES + 1));

        assertThat(answer.status()).isEqualTo(413);
        assertThat(answer.body()).isEqualTo("{\"error\":\"batch over 5 lines\"}");
        assertThat(server.ingest.turns).isEmpty();
    }

    @Test
    void batch_tooManyBytes_is413() throws IOException {
        RawAnswer answer = server.batch("x".repeat(ServerFixture.MAX_BATCH_BYTES + 1));

        assertThat(answer.status()).isEqualTo(413);
        assertThat(answer.body()).isEqualTo("{\"error\":\"body over 3000 bytes\"}");
    }

    @Test
    void batch_answered_timesEachLine() throws IOException {
        server.batch("a\nb\nc\n");

        assertThat(server.sample("flk_submit_seconds_count")).isEqualTo("3.0");
    }
}
