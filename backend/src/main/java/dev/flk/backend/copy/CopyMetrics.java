// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.copy;

import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Gauge;

/** The metrics of the copy of the log. Safe for any thread. */
public final class CopyMetrics extends Metrics.Feature {
    private final Gauge up = gauge("flk_copy_up", "1 while the log is copied, 0 while it is not; NaN without a copy.");
    private final Gauge behindRecords =
            gauge("flk_copy_behind_records", "Records of the log that are on disk and not copied.");
    private final Gauge behindSeconds = gauge(
            "flk_copy_behind_seconds", "Age of the oldest record that is on disk and not copied; 0 if there is none.");
    private final Gauge lost = watchedCounter(
            "flk_copy_lost_total", "Times that the topic of the copy had lost entries that it had acknowledged.");

    public CopyMetrics(Metrics metrics) {
        super(metrics);
        up.watch(() -> Double.NaN);
    }

    /** Reports that the log is to be copied, and is not copied yet. */
    public void starting() {
        up.watch(() -> 0);
    }

    /** Reports what a copied log says from now on. */
    void watch(CopiedLog copied) {
        up.watch(() -> copied.isOwned() && copied.problem().isEmpty() ? 1 : 0);
        behindRecords.watch(copied::behindRecords);
        behindSeconds.watch(copied::behindSeconds);
        lost.watch(copied::losses);
    }
}
