// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MetersTest {
    private static final String OPEN_METRICS = "application/openmetrics-text; version=1.0.0";

    private final Meters meters = new Meters("1.2.3");

    @ParameterizedTest
    @ValueSource(
            strings = {
                "flk_ingest_total",
                "flk_accepted",
                "flk_escalated",
                "flk_dedup_hits",
                "flk_signature_errors",
                "flk_wal_errors"
            })
    void expose_bareCounter_keepsItsExactNameInBothFormats(String name) {
        assertThat(prometheus().samples).containsEntry(name, "0.0");
        assertThat(prometheus().types).containsEntry(name, "untyped");
        assertThat(openMetrics().samples).containsEntry(name, "0.0");
        assertThat(openMetrics().types).containsEntry(name, "unknown");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "flk_rejected_total{reason=\"malformed\",}",
                "flk_rejected_total{reason=\"verification\",}",
                "flk_rate_limited_total",
                "flk_rate_limited_by_total{limit=\"key\",}",
                "flk_rate_limited_late_total",
                "flk_address_connections_refused_total",
                "flk_held_addresses",
                "flk_connected_addresses",
                "flk_conflicts_total",
                "flk_inbox_pending",
                "flk_inbox_oldest_pending_seconds",
                "flk_wal_fsync_seconds_count",
                "flk_submit_seconds_count",
                "flk_dedup_up",
                "flk_postgres_pool_active_connections",
                "flk_postgres_pool_idle_connections",
                "flk_postgres_pool_waiting",
                "flk_postgres_pool_max_connections",
                "flk_wal_bytes",
                "flk_wal_free_bytes",
                "flk_http_answers_total{status=\"503\",}",
                "flk_http_connections",
                "flk_http_connections_refused_total",
                "flk_http_slow_clients_total",
                "flk_http_requests_in_flight",
                "flk_http_body_bytes",
                "flk_http_answer_bytes",
                "flk_refused_early_total",
                "flk_wal_queue_bytes",
                "flk_wal_queue_appends",
                "flk_ids_in_flight",
                "flk_recorder_queue_groups",
                "flk_evidence_entries"
            })
    void expose_nothingCountedYet_showsEveryFamily(String sample) {
        assertThat(prometheus().samples).containsEntry(sample, "0.0");
        assertThat(openMetrics().samples).containsEntry(sample.replace(",}", "}"), "0.0");
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
    void expose_always_tellsBuildAndJvm() {
        meters.watchJvm();
        assertThat(prometheus().samples.keySet())
                .anyMatch(sample -> sample.startsWith("flk_build_info{") && sample.contains("version=\"1.2.3\""))
                .contains("jvm_threads_current", "process_start_time_seconds");
    }

    @Test
    void expose_acceptHeader_choosesTheFormat() {
        assertThat(meters.expose(null).contentType()).startsWith("text/plain; version=0.0.4");
        assertThat(meters.expose(OPEN_METRICS).contentType()).startsWith("application/openmetrics-text");
    }

    private ScrapedText prometheus() {
        return ScrapedText.ofPrometheus(text(meters.expose("text/plain")));
    }

    private ScrapedText openMetrics() {
        return ScrapedText.ofOpenMetrics(text(meters.expose(OPEN_METRICS)));
    }

    private static String text(Exposition exposition) {
        return new String(exposition.text(), StandardCharsets.UTF_8);
    }
}
