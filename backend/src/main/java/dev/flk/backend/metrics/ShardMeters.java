// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import static dev.flk.program.config.Quantities.count;

import dev.flk.canonical.CanonicalString;
import dev.flk.program.config.Key;
import dev.flk.verification.Verdict;
import io.prometheus.client.Collector;
import io.prometheus.client.CounterMetricFamily;
import io.prometheus.client.GaugeMetricFamily;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongSupplier;

/**
 * Outcomes by shard. The first shards since the start are shown separately and all others together as {@value #OTHERS}, so
 * that memory and labels are bounded. Names are escaped as in log lines. Safe for any thread.
 */
public final class ShardMeters extends Collector {
    public static final Key<Integer> SHARD_METRICS = Key.of(
                    "SHARD_METRICS",
                    count(0, 10_000),
                    "The number of shards with their own metrics, in order of appearance; all others are `(others)`.")
            .or("256");

    /** The default number of shards that are shown separately. */
    public static final int USUAL_SHARDS = 256;

    private static final String OTHERS = "(others)";
    private static final List<String> SHARD = List.of("shard");

    private final int mostShards;
    private final LongSupplier nanoTicker;
    private final Map<String, Shard> shards = new ConcurrentHashMap<>();
    private final Shard others = new Shard(OTHERS);

    private static final class Shard {
        private final String label;
        private final Map<Verdict.Kind, LongAdder> outcomes = new EnumMap<>(Verdict.Kind.class);
        private volatile double dHat = Double.NaN;
        private volatile long newestNanos;

        Shard(String label) {
            this.label = label;
            for (Verdict.Kind kind : Verdict.Kind.values()) {
                outcomes.put(kind, new LongAdder());
            }
        }
    }

    /** @param mostShards the number of shards that are shown separately; 0 to show no shard at all */
    ShardMeters(int mostShards, LongSupplier nanoTicker) {
        this.mostShards = mostShards;
        this.nanoTicker = nanoTicker;
    }

    /**
     * Counts an outcome; not to be called for duplicates.
     *
     * @param dHat the recomputed D̂; NaN if it could not be recomputed
     */
    public void decided(String shardId, Verdict.Kind kind, double dHat) {
        Shard shard = shard(shardId);
        shard.newestNanos = nanoTicker.getAsLong();
        if (!Double.isNaN(dHat)) {
            shard.dHat = dHat;
        }
        Objects.requireNonNull(shard.outcomes.get(kind)).increment();
    }

    private Shard shard(String shardId) {
        Shard known = shards.get(shardId);
        if (known != null) {
            return known;
        }
        synchronized (this) {
            return shards.size() < mostShards && !shardId.equals(OTHERS)
                    ? shards.computeIfAbsent(shardId, unused -> new Shard(CanonicalString.escape(shardId)))
                    : others;
        }
    }

    @Override
    public List<MetricFamilySamples> collect() {
        CounterMetricFamily outcomes = new CounterMetricFamily(
                "flk_shard_outcomes", "Certificates decided, duplicates not counted.", List.of("shard", "verdict"));
        GaugeMetricFamily dHat =
                new GaugeMetricFamily("flk_shard_recomputed_d_hat", "D̂ of the shard's newest certificate.", SHARD);
        GaugeMetricFamily age = new GaugeMetricFamily(
                "flk_shard_newest_age_seconds", "Time since the shard's newest certificate was decided.", SHARD);
        List<Shard> shown = new ArrayList<>(shards.values());
        shown.add(others);
        long nowNanos = nanoTicker.getAsLong();
        for (Shard shard : shown) {
            double all = 0;
            for (Verdict.Kind kind : Verdict.Kind.values()) {
                all += Objects.requireNonNull(shard.outcomes.get(kind)).sum();
            }
            if (all == 0 || mostShards == 0) {
                continue;
            }
            shard.outcomes.forEach(
                    (kind, count) -> outcomes.addMetric(List.of(shard.label, kind.label()), (double) count.sum()));
            age.addMetric(List.of(shard.label), Math.max(0, nowNanos - shard.newestNanos) / 1e9);
            if (!Double.isNaN(shard.dHat)) {
                dHat.addMetric(List.of(shard.label), shard.dHat);
            }
        }
        return List.of(outcomes, dHat, age);
    }
}
