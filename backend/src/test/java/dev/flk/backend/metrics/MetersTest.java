// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.metrics.Meters.LimitedBy;
import dev.flk.backend.metrics.Meters.RejectReason;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class MetersTest {
    private final Meters meters = new Meters("1.2.3");

    /** What dashboards and alerts rely on is there from the start, or a rate over it would miss the first event. */
    @Test
    void expose_nothingCountedYet_showsEveryFamilyInBothFormats() {
        for (ScrapedText text : List.of(prometheus(), openMetrics())) {
            assertThat(text.samples).hasSizeGreaterThan(100).containsKey("flk_postgres_pool_waiting");
            text.samples.forEach((name, value) -> {
                if (!name.contains("_created")) {
                    assertThat(value).as(name).isEqualTo(name.startsWith("flk_build_info{") ? "1.0" : "0.0");
                }
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

    private ScrapedText prometheus() {
        return ScrapedText.ofPrometheus(text(meters.expose("text/plain")));
    }

    private ScrapedText openMetrics() {
        return ScrapedText.ofOpenMetrics(text(meters.expose("application/openmetrics-text; version=1.0.0")));
    }

    private static String text(Meters.Exposition exposition) {
        return new String(exposition.text(), StandardCharsets.UTF_8);
    }
}
