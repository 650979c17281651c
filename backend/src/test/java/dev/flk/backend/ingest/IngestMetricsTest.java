// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.verification.Verdict;
import java.util.Map;
import org.junit.jupiter.api.Test;

class IngestMetricsTest {
    private final Metrics metrics = new Metrics("test");

    private IngestMetrics.Shards shards(int most) {
        return new IngestMetrics(metrics, new RefusedSubmissions(metrics), most).shards;
    }

    private Map<String, String> samples() {
        return ScrapedText.ofPrometheus(ScrapedText.text(metrics)).samples;
    }

    @Test
    void timing_isShownInSeconds() {
        IngestMetrics ingest = new IngestMetrics(metrics, new RefusedSubmissions(metrics), 0);
        ingest.walFsync.observeNanos(2_000_000);

        assertThat(samples())
                .containsEntry("flk_wal_fsync_seconds_bucket{le=\"0.001\",}", "0.0")
                .containsEntry("flk_wal_fsync_seconds_bucket{le=\"0.0025\",}", "1.0");
    }

    @Test
    void shards_beyondTheLimit_areCountedTogether() {
        IngestMetrics.Shards few = shards(2);
        few.decided("a", Verdict.Kind.ACCEPTED, 1.5);
        few.decided("b\n", Verdict.Kind.REJECTED, Double.NaN);
        few.decided("c", Verdict.Kind.ACCEPTED, 2.5);
        few.decided("d", Verdict.Kind.ESCALATED, 2.25);
        few.decided("a", Verdict.Kind.ESCALATED, 1.25);

        Map<String, String> samples = samples();
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

    /** Checks that the number of time series is bounded, however many shards there are. */
    @Test
    void shards_aHundredThousand_areBounded() {
        IngestMetrics.Shards shards = shards(256);
        for (int i = 0; i < 100_000; i++) {
            shards.decided("shard-" + i, Verdict.Kind.ACCEPTED, 1);
        }

        Map<String, String> samples = samples();
        assertThat(samples.keySet())
                .filteredOn(name -> name.startsWith("flk_shard_"))
                .hasSize(5 * (256 + 1));
        assertThat(samples)
                .containsEntry("flk_shard_outcomes_total{shard=\"(others)\",verdict=\"accepted\",}", "99744.0");
    }
}
