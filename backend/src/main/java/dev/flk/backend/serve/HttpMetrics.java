// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.ingest.RefusedSubmissions;
import dev.flk.backend.ingest.RefusedSubmissions.RejectReason;
import dev.flk.backend.serve.guard.AnswerMetrics;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.program.metrics.Metrics.Timing;

/** The metrics of the backend's HTTP servers. Safe for any thread. */
public final class HttpMetrics extends AnswerMetrics {
    final RefusedSubmissions refused;
    final Timing submit =
            timing("flk_submit_seconds", "Time from the last byte of a certificate to its answer.", ANSWER_SECONDS);
    final Gauge watchers =
            gauge("flk_record_watchers", "Clients that follow the changes of outcomes at /v1/outcomes/changes.");
    private final Count refusedEarly = counter(
            "flk_refused_early_total",
            "Submissions (a batch is one) answered 503 overloaded before the rate limiter; they are in"
                    + " flk_unavailable_total, but not in flk_ingest_total.");

    public HttpMetrics(Metrics metrics, RefusedSubmissions refused) {
        super(metrics);
        this.refused = refused;
    }

    @Override
    public void acceptFailed() {
        refused.filesExhausted.increment();
    }

    @Override
    public void refusedEarly() {
        refusedEarly.increment();
        refused.unavailable.increment("overloaded");
    }

    @Override
    public void bodyTooLong() {
        refused.rejected.increment(RejectReason.TOO_LARGE);
    }

    @Override
    public void bodyTooSlow() {
        refused.rejected.increment(RejectReason.SLOW);
    }

    @Override
    public void bodyChanged() {
        refused.rejected.increment(RejectReason.CHANGED);
    }
}
