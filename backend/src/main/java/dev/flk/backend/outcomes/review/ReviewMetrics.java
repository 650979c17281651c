// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.review;

import dev.flk.canonical.CanonicalString;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.program.metrics.Metrics.Sample;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** The metrics of reviews. */
public final class ReviewMetrics extends Metrics.Feature {
    private final Gauge waiting = gauge(
            "flk_review_waiting",
            "Escalated and rejected certificates without a review; NaN while they can't be counted.");
    private final Gauge overdue = gauge(
            "flk_review_overdue",
            "Certificates that have waited for a review longer than REVIEW_AFTER; NaN while they can't be"
                    + " counted.");
    private static final String OTHERS = "(others)";

    private final int mostShards;
    private volatile double waitingNow = Double.NaN;
    private volatile double overdueNow = Double.NaN;
    private volatile List<Sample> faultsNow = List.of();
    /** The shards that are shown separately, with the numbers of their faults; guarded by this. */
    private final Map<String, Long> faults = new LinkedHashMap<>();

    /** @param mostShards the maximum number of shards that are shown separately; 0 to show no shard at all */
    public ReviewMetrics(Metrics metrics, int mostShards) {
        super(metrics);
        this.mostShards = mostShards;
        waiting.watch(() -> waitingNow);
        overdue.watch(() -> overdueNow);
        gaugeFamily(
                "flk_review_faults",
                "Certificates whose newest review says that they show a fault; NaN while they can't be counted.",
                List.of("shard"),
                () -> faultsNow);
    }

    /**
     * Shows counts. A shard without faults is shown as 0 once it had one.
     *
     * @param ofShards the number of faults of each shard that has any
     */
    synchronized void show(long waitingCount, long overdueCount, Map<String, Long> ofShards) {
        waitingNow = waitingCount;
        overdueNow = overdueCount;
        faults.replaceAll((shard, before) -> 0L);
        ofShards.forEach((shard, count) -> {
            boolean isShown = faults.containsKey(shard) || faults.size() < mostShards;
            faults.merge(isShown && !shard.equals(OTHERS) ? shard : OTHERS, count, Long::sum);
        });
        faultsNow = mostShards == 0 ? List.of() : samples(count -> count);
    }

    synchronized void showNothing() {
        waitingNow = Double.NaN;
        overdueNow = Double.NaN;
        faultsNow = samples(count -> Double.NaN);
    }

    private List<Sample> samples(ToDoubleFunction<Long> value) {
        return faults.entrySet().stream()
                .map(each -> new Sample(
                        List.of(each.getKey().equals(OTHERS) ? OTHERS : CanonicalString.escape(each.getKey())),
                        value.applyAsDouble(each.getValue())))
                .toList();
    }
}
