// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.metrics.Meters.LimitedBy;
import dev.flk.backend.metrics.Meters.RejectReason;
import dev.flk.program.metrics.Exposition;
import dev.flk.verification.Verdict;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MetersTest {
    private final Meters meters = new Meters("1.2.3");

    /** What dashboards and alerts rely on is there from the start, or a rate over it would miss the first event. */
    @Test
    void expose_nothingCountedYet_showsEveryFamilyInBothFormats() {
        for (ScrapedText text : List.of(prometheus(), openMetrics())) {
            assertThat(text.samples).hasSizeGreaterThan(100).containsKey("flk_postgres_pool_waiting");
            text.samples.forEach((name, value) -> {
                assertThat(name).doesNotContain("_created");
                String expected = name.matches("flk_state_(up|free_bytes)") ? "NaN" : "0.0"; // there is no state
                assertThat(value).as(name).isEqualTo(name.startsWith("flk_build_info{") ? "1.0" : expected);
            });
        }
    }

    @Test
    void expose_afterCounting_showsTheCounts() {
        meters.ingest.add(7);
        meters.accepted.increment();
        meters.rejected(RejectReason.TOO_LARGE);
        meters.rateLimited(LimitedBy.GLOBAL);
        meters.rateLimited(LimitedBy.ADDRESS);
        meters.rateLimited(LimitedBy.SHARD);
        meters.rateLimitedLate();
        meters.conflict();
        meters.answered(202);
        meters.dedupUp.watch(() -> 1);
        meters.submit.observeNanos(2_000_000);

        assertThat(prometheus().samples)
                .containsEntry("flk_ingest_total", "7.0")
                .containsEntry("flk_accepted", "1.0")
                .containsEntry("flk_rejected_total{reason=\"too_large\",}", "1.0")
                .containsEntry("flk_rate_limited_total", "3.0")
                .containsEntry("flk_rate_limited_by_total{limit=\"global\",}", "1.0")
                .containsEntry("flk_rate_limited_by_total{limit=\"shard\",}", "1.0")
                .containsEntry("flk_rate_limited_late_total", "1.0")
                .containsEntry("flk_conflicts_total", "1.0")
                .containsEntry("flk_http_answers_total{status=\"202\",}", "1.0")
                .containsEntry("flk_dedup_up", "1.0")
                .containsEntry("flk_submit_seconds_bucket{le=\"0.001\",}", "0.0")
                .containsEntry("flk_submit_seconds_bucket{le=\"0.0025\",}", "1.0");
    }

    @Test
    void shards_beyondTheMost_areShownTogether() {
        Meters few = new Meters("1.2.3", 2);
        few.shards.decided("a", Verdict.Kind.ACCEPTED, 1.5);
        few.shards.decided("b\n", Verdict.Kind.REJECTED, Double.NaN);
        few.shards.decided("c", Verdict.Kind.ACCEPTED, 2.5);
        few.shards.decided("d", Verdict.Kind.ESCALATED, 2.25);
        few.shards.decided("a", Verdict.Kind.ESCALATED, 1.25);

        Map<String, String> samples = ScrapedText.ofPrometheus(text(few.expose(null))).samples;
        assertThat(samples)
                .containsEntry("flk_shard_outcomes_total{shard=\"a\",verdict=\"accepted\",}", "1.0")
                .containsEntry("flk_shard_outcomes_total{shard=\"a\",verdict=\"escalated\",}", "1.0")
                .containsEntry("flk_shard_outcomes_total{shard=\"a\",verdict=\"rejected\",}", "0.0")
                .containsEntry("flk_shard_outcomes_total{shard=\"b\\\\n\",verdict=\"rejected\",}", "1.0")
                .containsEntry("flk_shard_outcomes_total{shard=\"(others)\",verdict=\"accepted\",}", "1.0")
                .containsEntry("flk_shard_recomputed_d_hat{shard=\"a\",}", "1.25")
                .containsEntry("flk_shard_recomputed_d_hat{shard=\"(others)\",}", "2.25")
                .containsKey("flk_shard_newest_age_seconds{shard=\"b\\\\n\",}")
                .doesNotContainKey("flk_shard_recomputed_d_hat{shard=\"b\\\\n\",}");
        assertThat(samples.keySet()).noneMatch(name -> name.contains("\"c\""));
    }

    /** So that neither memory nor what Prometheus keeps grows with the number of shards. */
    @Test
    void shards_aHundredThousand_areBounded() {
        for (int i = 0; i < 100_000; i++) {
            meters.shards.decided("shard-" + i, Verdict.Kind.ACCEPTED, 1);
        }
        assertThat(prometheus().samples.keySet())
                .filteredOn(name -> name.startsWith("flk_shard_"))
                .hasSize(5 * (256 + 1));
        assertThat(prometheus().samples)
                .containsEntry("flk_shard_outcomes_total{shard=\"(others)\",verdict=\"accepted\",}", "99744.0");
    }

    private ScrapedText prometheus() {
        return ScrapedText.ofPrometheus(text(meters.expose("text/plain")));
    }

    private ScrapedText openMetrics() {
        return ScrapedText.ofOpenMetrics(text(meters.expose("application/openmetrics-text; version=1.0.0")));
    }

    private static String text(Exposition exposition) {
        return new String(exposition.text(), StandardCharsets.UTF_8);
    }
}
