// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.metrics;

import io.prometheus.client.Collector;
import io.prometheus.client.Counter;
import io.prometheus.client.GaugeMetricFamily;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What is shown by shard. Whoever gives the names bounds how many there are. Each of them has a sample of every family, the counters too
 * while they are 0, so that a first time is seen as a change. Safe for several threads.
 */
final class ShardMeters extends Collector {
    private static final List<String> LABEL = List.of("shard");

    private final Counter retries = counter("flk_agent_shard_retries", "Certificates of a shard that were put off.");
    private final Counter deadLetters =
            counter("flk_agent_shard_dead_letters", "Certificates of a shard that were given up.");
    private volatile Supplier<Map<String, ShardWaiting>> waiting = Map::of;

    private static Counter counter(String name, String help) {
        return Counter.build(name, help)
                .labelNames(LABEL.toArray(String[]::new))
                .create();
    }

    void show(Supplier<Map<String, ShardWaiting>> shown) {
        waiting = shown;
    }

    void retried(String shard) {
        retries.labels(shard).inc();
    }

    void givenUp(String shard) {
        deadLetters.labels(shard).inc();
    }

    @Override
    public List<MetricFamilySamples> collect() {
        GaugeMetricFamily pending =
                new GaugeMetricFamily("flk_agent_shard_pending", "Certificates of a shard that wait.", LABEL);
        GaugeMetricFamily oldest = new GaugeMetricFamily(
                "flk_agent_shard_oldest_pending_seconds", "How long the oldest of them has waited.", LABEL);
        waiting.get().forEach((shard, now) -> {
            pending.addMetric(List.of(shard), now.entries());
            oldest.addMetric(List.of(shard), now.oldestSeconds());
            retries.labels(shard);
            deadLetters.labels(shard);
        });
        List<MetricFamilySamples> families = new ArrayList<>(List.of(pending, oldest));
        families.addAll(retries.collect());
        families.addAll(deadLetters.collect());
        return families;
    }
}
