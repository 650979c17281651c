// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Gauge;

/** The metrics of the archive of the log. Safe for any thread. */
public final class ArchiveMetrics extends Metrics.Feature {
    final Count archived = counter("flk_archive_segments_total", "Closed segments of the log that were archived.");
    final Count failures = counter("flk_archive_failures_total", "Archive commands that failed; each is retried.");
    final Gauge oldestSeconds = gauge(
            "flk_archive_oldest_seconds",
            "Time since the oldest closed segment of the log was closed that is not archived, else 0.");

    public ArchiveMetrics(Metrics metrics) {
        super(metrics);
    }
}
