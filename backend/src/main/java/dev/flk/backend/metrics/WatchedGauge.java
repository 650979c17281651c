// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import io.prometheus.client.Collector;
import java.util.List;
import java.util.function.DoubleSupplier;

/**
 * A gauge whose value is read at each scrape. It is 0 until {@link #watch}, so that the family exists from the start.
 */
public final class WatchedGauge extends Collector {
    private final String name;
    private final String help;
    private volatile DoubleSupplier value = () -> 0;

    WatchedGauge(String name, String help) {
        this.name = name;
        this.help = help;
    }

    /** From now on reads {@code value}, on the scraping thread; it must not block. */
    public void watch(DoubleSupplier value) {
        this.value = value;
    }

    @Override
    public List<MetricFamilySamples> collect() {
        var sample = new MetricFamilySamples.Sample(name, List.of(), List.of(), value.getAsDouble());
        return List.of(new MetricFamilySamples(name, Type.GAUGE, help, List.of(sample)));
    }
}
