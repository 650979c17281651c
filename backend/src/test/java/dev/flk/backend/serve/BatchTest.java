// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.Ingest.Submission;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class BatchTest {
    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @Test
    void batch_lines_reachIngestTogether() throws Exception {
        server.batch("a\nb\nc");

        assertThat(server.ingest.turns.take()).extracting(ScriptedIngest::body).containsExactly("a", "b", "c");
    }

    /** As many as a connection may have in one turn of its event loop. */
    @Test
    void submissions_inOnePacket_reachIngestTogether() throws Exception {
        server.connect().send("POST /v1/pcs/submit HTTP/1.1\nHost: h\nContent-Length: 1\n\nx".repeat(4));

        assertThat(server.ingest.turns.take()).hasSize(4);
    }

    @Test
    void batch_answersExceedTheMemory_isRefusedBeforeIngest() throws IOException {
        server.heap(24 << 10); // leaves 3 KiB for answers

        assertThat(server.batch("\n\n\n\n\n").body()).isEqualTo("{\"error\":\"overloaded\"}");

        assertThat(server.ingest.turns).isEmpty();
        assertThat(server.sample("flk_refused_early_total")).isEqualTo("1.0");
        assertThat(server.sample("flk_unavailable_total{cause=\"overloaded\",}"))
                .isEqualTo("1.0");
        assertThat(server.sample("flk_http_body_bytes")).isEqualTo("0.0");
    }

    @Test
    void body_overTheLimit_isCounted() throws IOException {
        assertThat(server.submit("x".repeat(ServerFixture.MAX_BODY_BYTES + 1)).status())
                .isEqualTo(413);

        assertThat(server.sample("flk_rejected_total{reason=\"too_large\",}")).isEqualTo("1.0");
    }

    @Test
    void gauges_requestWaiting_showIt() throws Exception {
        server.ingest.keep();
        server.connect().post("/v1/pcs/submit", "a");
        Submission waiting = server.ingest.next();

        assertThat(server.get("/metrics").body())
                .contains("flk_http_requests_in_flight 1.0", "flk_http_body_bytes 1.0");
        waiting.answer().accept(ScriptedIngest.echo("a"));
    }

    @Test
    void batch_ingestThrowsHalfway_keepsAnswersAndIs500ForTheRest() throws IOException {
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
    void batch_answered_timesEachLine() throws IOException {
        server.batch("a\nb\nc\n");

        assertThat(server.sample("flk_submit_seconds_count")).isEqualTo("3.0");
    }
}
