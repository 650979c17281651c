// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.HdrHistogram.Histogram;
import org.apache.commons.math3.stat.StatUtils;

/**
 * The results of a suite. The JSON file of {@code --json} contains one such object for each suite.
 *
 * @param suite the name of the suite
 * @param unit the unit of the rates
 * @param base the subject that the others are compared with; "" without a comparison
 */
record Results(
        @JsonProperty("name") String suite,
        String unit,
        String base,
        @JsonProperty("subjects") List<Figures> figures) {
    public Results {
        figures = List.copyOf(figures);
    }

    boolean has(String subject) {
        return figures.stream().anyMatch(one -> one.subject().equals(subject));
    }

    /** Returns the figures of one subject. */
    public Figures of(String subject) {
        return figures.stream()
                .filter(one -> one.subject().equals(subject))
                .findFirst()
                .orElseThrow(
                        () -> new IllegalArgumentException("no figures for " + subject + " in the suite " + suite));
    }

    double rate(String subject) {
        return of(subject).median(Figure.PER_SECOND);
    }

    /**
     * Computes the ratio of two subjects' rates for each round, and returns the median of these ratios. Activity that
     * slows the machine down in some rounds slows both subjects down, and hardly changes their ratio.
     */
    double ratio(String subject, String other) {
        List<Sample> ones = of(subject).samples();
        List<Sample> others = of(other).samples();
        double[] ratios = IntStream.range(0, ones.size())
                .mapToDouble(round -> ones.get(round).get(Figure.PER_SECOND)
                        / others.get(round).get(Figure.PER_SECOND))
                .toArray();
        return StatUtils.percentile(ratios, 50);
    }

    /** The samples of one subject, one for each round. */
    public record Figures(
            @JsonProperty("name") String subject,
            @JsonProperty("rounds") List<Sample> samples) {
        public Figures {
            samples = List.copyOf(samples);
        }

        /** Returns the median of a figure over the rounds. */
        public double median(Figure figure) {
            return StatUtils.percentile(
                    samples.stream().mapToDouble(one -> one.get(figure)).toArray(), 50);
        }

        /** Returns half the difference between the highest and the lowest rate, relative to the median. */
        public double noise() {
            double[] rates = samples.stream()
                    .mapToDouble(one -> one.get(Figure.PER_SECOND))
                    .toArray();
            return (StatUtils.max(rates) - StatUtils.min(rates)) / 2 / median(Figure.PER_SECOND);
        }
    }

    /** A figure, with its heading in the table and its format. A round has only the figures that apply. */
    enum Figure {
        /** Certificates, records, operations or forces per second. */
        @JsonProperty("per_second")
        PER_SECOND("per second", "%,.0f"),
        @JsonProperty("p50_ms")
        P50_MILLIS("p50 ms", "%.3f"),
        @JsonProperty("p99_ms")
        P99_MILLIS("p99 ms", "%.2f"),
        @JsonProperty("p999_ms")
        P999_MILLIS("p99.9 ms", "%.2f"),
        /** The server's processor time per certificate or operation; for a step in this process, its duration. */
        @JsonProperty("cpu_us")
        CPU_MICROS("CPU us", "%.1f"),
        /** The server's resident memory. */
        @JsonProperty("resident_mib")
        RESIDENT_MEBIBYTES("MiB", "%.0f"),
        /** The size of the server's data per certificate. */
        @JsonProperty("disk_bytes")
        DISK_BYTES("disk B", "%,.0f");

        final String heading;
        private final String format;

        Figure(String heading, String format) {
            this.heading = heading;
            this.format = format;
        }

        String text(double value) {
            if (Double.isNaN(value)) {
                return this == PER_SECOND ? "-" : "";
            }
            return String.format(Locale.ROOT, format, value);
        }
    }

    /** The figures of one subject in one round. */
    public record Sample(@JsonValue Map<Figure, Double> figures) {
        static Sample ofRate(double perSecond) {
            return new Sample(Map.of(Figure.PER_SECOND, perSecond));
        }

        static Sample ofLatencies(Histogram nanos) {
            return new Sample(Map.of(
                    Figure.P50_MILLIS, nanos.getValueAtPercentile(50) / 1e6,
                    Figure.P99_MILLIS, nanos.getValueAtPercentile(99) / 1e6,
                    Figure.P999_MILLIS, nanos.getValueAtPercentile(99.9) / 1e6));
        }

        @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
        public Sample {
            Map<Figure, Double> copy = new EnumMap<>(Figure.class);
            copy.putAll(figures);
            figures = copy;
        }

        Sample with(Figure figure, double value) {
            return with(new Sample(Map.of(figure, value)));
        }

        Sample with(Sample other) {
            Sample all = new Sample(figures);
            all.figures.putAll(other.figures);
            return all;
        }

        /**
         * Returns this sample without the costs of the server. Costs are measured for a single process, but the server
         * may consist of several.
         */
        Sample withoutCosts() {
            Sample rest = new Sample(figures);
            rest.figures.keySet().removeAll(Set.of(Figure.CPU_MICROS, Figure.RESIDENT_MEBIBYTES));
            return rest;
        }

        /** Returns the rate, or the median time if the sample has no rate. */
        String summary(String unit) {
            Figure figure = figures.containsKey(Figure.PER_SECOND) ? Figure.PER_SECOND : Figure.P50_MILLIS;
            return figure.text(get(figure)) + (figure == Figure.PER_SECOND ? " " + unit + "/s" : " ms");
        }

        /** Returns the value of a figure; NaN if it does not apply. */
        double get(Figure figure) {
            return figures.getOrDefault(figure, Double.NaN);
        }
    }
}
