// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.metrics;

import io.prometheus.client.Collector.MetricFamilySamples;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The values of all metrics at one time. Immutable. */
public final class Samples {
    private final Map<String, List<MetricFamilySamples.Sample>> byName;

    Samples(Stream<MetricFamilySamples.Sample> all) {
        this.byName = all.collect(Collectors.groupingBy(sample -> sample.name));
    }

    private Stream<MetricFamilySamples.Sample> named(String name) {
        return byName.getOrDefault(name, List.of()).stream();
    }

    /** Returns whether there are samples with a name. */
    public boolean has(String name) {
        return byName.containsKey(name);
    }

    /** Returns the sum of the samples with a name: NaN if one of them is NaN, 0 without samples. */
    public double sum(String name) {
        return named(name).mapToDouble(sample -> sample.value).sum();
    }

    /** Returns the sum of the samples with a name and a label: NaN if one of them is NaN, 0 without samples. */
    public double sum(String name, String label, String value) {
        return named(name)
                .filter(sample -> {
                    int at = sample.labelNames.indexOf(label);
                    return at >= 0 && sample.labelValues.get(at).equals(value);
                })
                .mapToDouble(sample -> sample.value)
                .sum();
    }

    /**
     * Returns the counts of a histogram without labels, by the upper bounds of its buckets: each count includes those of
     * the buckets before. Empty if there is no such histogram.
     */
    public NavigableMap<Double, Double> buckets(String histogram) {
        NavigableMap<Double, Double> buckets = new TreeMap<>();
        named(histogram + "_bucket").forEach(sample -> {
            String bound = sample.labelValues.get(sample.labelNames.indexOf("le"));
            buckets.put(bound.equals("+Inf") ? Double.POSITIVE_INFINITY : Double.parseDouble(bound), sample.value);
        });
        return buckets;
    }
}
