// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.metrics;

import io.prometheus.client.Collector.MetricFamilySamples;
import java.util.List;

/** The values of all metrics at one time. Immutable. */
public final class Samples {
    private final List<MetricFamilySamples.Sample> all;

    Samples(List<MetricFamilySamples.Sample> all) {
        this.all = all;
    }

    /** Returns the sum of the samples with a name: NaN if one of them is NaN, 0 without samples. */
    public double sum(String name) {
        return all.stream()
                .filter(sample -> sample.name.equals(name))
                .mapToDouble(sample -> sample.value)
                .sum();
    }

    /** Returns the sum of the samples with a name and a label: NaN if one of them is NaN, 0 without samples. */
    public double sum(String name, String label, String value) {
        return all.stream()
                .filter(sample -> sample.name.equals(name))
                .filter(sample -> {
                    int at = sample.labelNames.indexOf(label);
                    return at >= 0 && sample.labelValues.get(at).equals(value);
                })
                .mapToDouble(sample -> sample.value)
                .sum();
    }
}
