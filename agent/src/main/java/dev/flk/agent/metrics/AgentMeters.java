// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.metrics;

import io.prometheus.client.Collector;
import io.prometheus.client.CollectorRegistry;
import io.prometheus.client.Counter;
import io.prometheus.client.GaugeMetricFamily;
import io.prometheus.client.hotspot.DefaultExports;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleSupplier;
import java.util.function.Supplier;

/**
 * The agent's metrics. Counters are exposed with the value 0 even before their first event, except for unusual values
 * of the label {@code status}. Safe for several threads.
 */
public final class AgentMeters {
    private static final List<String> STATUSES =
            List.of("200", "202", "400", "401", "408", "413", "429", "500", "503", "outage");

    private final CollectorRegistry registry = new CollectorRegistry();
    private final Counter submitted;
    private final Counter heartbeats;
    private final Counter retries;
    private final Counter damaged;
    private final ShardMeters shards = new ShardMeters().register(registry);

    /** Registers the agent's counters and the metrics of the JVM. */
    public AgentMeters() {
        submitted = Counter.build("flk_agent_submitted", "Answers to submitted certificates, by status.")
                .labelNames("status")
                .register(registry);
        STATUSES.forEach(submitted::labels);
        heartbeats = Counter.build("flk_agent_heartbeats", "Heartbeats that were sent, by status of the answer.")
                .labelNames("status")
                .register(registry);
        List.of("200", "outage").forEach(heartbeats::labels);
        retries = Counter.build("flk_agent_retries", "Certificates deferred for a retry.")
                .register(registry);
        damaged = Counter.build("flk_agent_outbox_lost", "Records of the outbox lost to disk damage.")
                .register(registry);
        DefaultExports.register(registry);
    }

    /** Registers a gauge whose value is read at each scrape. */
    public void gauge(String name, String help, DoubleSupplier value) {
        register(() -> new GaugeMetricFamily(name, help, value.getAsDouble()));
    }

    /**
     * Registers a gauge with one sample for each value of a label. {@code values} contains the suppliers of the
     * samples, by the value of the label.
     */
    public void gauge(String name, String help, String label, Map<String, DoubleSupplier> values) {
        gauge(name, help, label, () -> values);
    }

    /** Registers a gauge as above, whose label has other values from scrape to scrape. */
    public void gauge(String name, String help, String label, Supplier<Map<String, DoubleSupplier>> values) {
        register(() -> {
            GaugeMetricFamily family = new GaugeMetricFamily(name, help, List.of(label));
            values.get().forEach((of, value) -> family.addMetric(List.of(of), value.getAsDouble()));
            return family;
        });
    }

    private void register(Supplier<GaugeMetricFamily> family) {
        registry.register(new Collector() {
            @Override
            public List<MetricFamilySamples> collect() {
                return List.of(family.get());
            }
        });
    }

    /** Counts a heartbeat; {@code status} is an HTTP status or {@code outage}. */
    public void heartbeat(String status) {
        heartbeats.labels(status).inc();
    }

    /** Counts an answer; {@code status} is an HTTP status or {@code outage}. */
    public void submitted(String status) {
        submitted.labels(status).inc();
    }

    /**
     * Sets the supplier of the waiting certificates by shard. The supplier is called at each scrape. Each metric with
     * the label {@code shard} gets a sample for every shard in the supplier's result, even if the value is 0.
     */
    public void shards(Supplier<Map<String, ShardWaiting>> waiting) {
        shards.show(waiting);
    }

    /**
     * Counts a retry of a certificate of this shard. {@code shard} must be a name that the method {@code
     * Outbox.shardName} has returned, because that method limits the number of names.
     */
    public void retried(String shard) {
        retries.inc();
        shards.retried(shard);
    }

    /**
     * Counts a certificate of this shard that became a dead letter. As for {@link #retried}, {@code shard} must be a
     * name that the method {@code Outbox.shardName} has returned.
     */
    public void givenUp(String shard) {
        shards.givenUp(shard);
    }

    /** Counts records of the outbox that were lost to disk damage. */
    public void lost(long records) {
        damaged.inc((double) records);
    }

    CollectorRegistry registry() {
        return registry;
    }

    /**
     * The metrics by shard. The caller must limit the number of shard names. Each shard has a sample of every metric,
     * even if a counter is 0; a monitoring system can therefore see the first event of a counter as an increase. Safe
     * for several threads.
     */
    private static final class ShardMeters extends Collector {
        private static final List<String> LABEL = List.of("shard");

        private final Counter retries =
                counter("flk_agent_shard_retries", "Certificates of a shard deferred for a retry.");
        private final Counter deadLetters =
                counter("flk_agent_shard_dead_letters", "Certificates of a shard that became dead letters.");
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
                    "flk_agent_shard_oldest_pending_seconds",
                    "How long the oldest certificate of a shard has waited.",
                    LABEL);
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

    /**
     * The waiting certificates of a shard.
     *
     * @param entries the number of certificates
     * @param oldestSeconds the seconds for which the oldest certificate has waited; 0 if no certificate waits
     */
    public record ShardWaiting(int entries, double oldestSeconds) {}
}
