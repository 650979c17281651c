// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import java.util.Arrays;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** All rounds of one subject. */
public record Figures(String subject, List<Sample> samples) {
    /** Keeps a copy. */
    public Figures {
        samples = List.copyOf(samples);
    }

    /** The median of the rounds. */
    public double median(ToDoubleFunction<Sample> figure) {
        double[] sorted = samples.stream().mapToDouble(figure).sorted().toArray();
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /** Half of the distance between the lowest and the highest rate, as a part of the median. */
    public double noise() {
        double[] rates = samples.stream().mapToDouble(Sample::perSecond).toArray();
        return (Arrays.stream(rates).max().orElse(0)
                        - Arrays.stream(rates).min().orElse(0))
                / 2
                / median(Sample::perSecond);
    }
}
