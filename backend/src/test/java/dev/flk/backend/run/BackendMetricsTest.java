// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.ingest.RefusedSubmissions.RejectReason;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.verification.Policy;
import java.math.BigDecimal;
import java.util.List;
import org.junit.jupiter.api.Test;

class BackendMetricsTest {
    private final BackendMetrics metrics = new BackendMetrics("1.2.3", Policy.defaults(), 256);
    private final Limits limits =
            new Limits(new Limits.Sizes(BigDecimal.ONE, 1, null, BigDecimal.ZERO, 1, 1), () -> 0, metrics.all);

    /**
     * Checks that every family exists from the start, because the rate of a family that appears later would miss its
     * first event.
     */
    @Test
    void expose_nothingCountedYet_showsEveryFamilyInBothFormats() {
        for (ScrapedText text : List.of(prometheus(), openMetrics())) {
            assertThat(text.samples).hasSizeGreaterThan(100);
            assertThat(text.samples.keySet()).anyMatch(name -> name.startsWith("flk_postgres_pool_waiting{"));
            text.samples.forEach((name, value) -> {
                assertThat(name).doesNotContain("_created");
                String expected = name.matches(
                                "flk_state_(up|free_bytes)|flk_sessions(_silent)?|flk_shards_not_looked_at|flk_clock_ahead_seconds|flk_review_(waiting|overdue)|flk_(copy|feed)_up")
                        ? "NaN" // there is no state, no copy and no feed
                        : "0.0";
                assertThat(value)
                        .as(name)
                        .isEqualTo(name.matches("flk_(build|policy)_info\\{.*|flk_rate_share") ? "1.0" : expected);
            });
        }
    }

    @Test
    void expose_afterCounting_showsTheCounts() {
        metrics.refused.rejected.increment(RejectReason.TOO_LARGE);
        limits.evidenceThrottled();
        limits.evidenceThrottled();
        metrics.http.answered(202);
        metrics.http.answered(414);

        assertThat(prometheus().samples)
                .containsEntry("flk_rejected_total{reason=\"too_large\",}", "1.0")
                .containsEntry("flk_rate_limited_total", "2.0")
                .containsEntry("flk_rate_limited_by_total{limit=\"evidence\",}", "2.0")
                .containsEntry("flk_rate_limited_by_total{limit=\"global\",}", "0.0")
                .containsEntry("flk_rate_limited_late_total", "2.0")
                .containsEntry("flk_http_answers_total{status=\"202\",}", "1.0")
                .containsEntry("flk_http_answers_total{status=\"414\",}", "1.0");
    }

    private ScrapedText prometheus() {
        return ScrapedText.ofPrometheus(ScrapedText.text(metrics.all));
    }

    private ScrapedText openMetrics() {
        return ScrapedText.ofOpenMetrics(ScrapedText.text(metrics.all, "application/openmetrics-text; version=1.0.0"));
    }
}
