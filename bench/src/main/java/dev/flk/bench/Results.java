// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.HdrHistogram.Histogram;
import org.apache.commons.math3.stat.StatUtils;

/**
 * The results of a suite. The JSON file of {@code --json} contains one such object for each suite.
 *
 * @param suite the name of the suite
 * @param unit the unit of the rates
 * @param base the subject that the others are compared with; "" if there is none
 */
record Results(
        @JsonProperty("name") String suite,
        String unit,
        String base,
        @JsonProperty("subjects") List<Figures> figures,
        List<Target> targets) {
    public Results {
        figures = List.copyOf(figures);
        targets = List.copyOf(targets);
    }

    /** Returns the figures of one subject. */
    public Figures of(String subject) {
        return figures.stream()
                .filter(one -> one.subject().equals(subject))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no figures for " + subject));
    }

    double rate(String subject) {
        return of(subject).median(Sample::perSecond);
    }

    /**
     * Computes the ratio of two subjects' rates for each round, and returns the median of these ratios. Activity that
     * slows the machine down in some rounds slows both subjects down, and hardly changes their ratio.
     */
    double ratio(String subject, String other) {
        List<Sample> ones = of(subject).samples();
        List<Sample> others = of(other).samples();
        double[] ratios = IntStream.range(0, ones.size())
                .mapToDouble(
                        round -> ones.get(round).perSecond() / others.get(round).perSecond())
                .toArray();
        return StatUtils.percentile(ratios, 50);
    }

    Results with(Target... targets) {
        return new Results(suite, unit, base, figures, List.of(targets));
    }

    /** The samples of one subject, one for each round. */
    public record Figures(
            @JsonProperty("name") String subject,
            @JsonProperty("rounds") List<Sample> samples) {
        public Figures {
            samples = List.copyOf(samples);
        }

        /** Returns the median of a figure over the rounds. */
        public double median(ToDoubleFunction<Sample> figure) {
            return StatUtils.percentile(samples.stream().mapToDouble(figure).toArray(), 50);
        }

        /** Returns half the difference between the highest and the lowest rate, relative to the median. */
        public double noise() {
            double[] rates = samples.stream().mapToDouble(Sample::perSecond).toArray();
            return (Arrays.stream(rates).max().orElse(0)
                            - Arrays.stream(rates).min().orElse(0))
                    / 2
                    / median(Sample::perSecond);
        }
    }

    /**
     * The figures of one subject in one round. A figure that does not apply is {@link Double#NaN}.
     *
     * @param perSecond certificates, records, operations or forces per second
     * @param p50Millis the median latency
     * @param cpuMicros the server's processor time per certificate or operation; for a single step, its duration
     * @param residentMebibytes the server's resident memory
     * @param allocatedBytes the heap allocated per operation of a single step
     */
    public record Sample(
            double perSecond,
            double p50Millis,
            double p99Millis,
            double p999Millis,
            double cpuMicros,
            double residentMebibytes,
            double allocatedBytes) {
        static Sample of(double perSecond, Histogram nanos, double cpuMicros, double residentMebibytes) {
            return new Sample(
                    perSecond,
                    nanos.getValueAtPercentile(50) / 1e6,
                    nanos.getValueAtPercentile(99) / 1e6,
                    nanos.getValueAtPercentile(99.9) / 1e6,
                    cpuMicros,
                    residentMebibytes,
                    Double.NaN);
        }

        /**
         * Returns this sample without the costs of the server. Costs are measured for a single process, but the server
         * may consist of several.
         */
        Sample withoutCosts() {
            return new Sample(perSecond, p50Millis, p99Millis, p999Millis, Double.NaN, Double.NaN, Double.NaN);
        }

        /** Returns a sample without latencies. */
        static Sample ofRate(double perSecond, double cpuMicros, double residentMebibytes) {
            return new Sample(perSecond, Double.NaN, Double.NaN, Double.NaN, cpuMicros, residentMebibytes, Double.NaN);
        }

        /** Returns the sample of a single step in one thread. */
        static Sample ofStep(double micros, double allocatedBytes) {
            return new Sample(1e6 / micros, Double.NaN, Double.NaN, Double.NaN, micros, Double.NaN, allocatedBytes);
        }

        /** Returns the rate, or the median time if the sample has no rate. */
        String summary(String unit) {
            return Double.isNaN(perSecond)
                    ? String.format(Locale.ROOT, "%,12.0f ms", p50Millis)
                    : String.format(Locale.ROOT, "%,12.0f %s/s", perSecond, unit);
        }

        /** Returns the figures that apply, by their names in JSON. */
        @JsonValue
        public Map<String, Double> byName() {
            Map<String, Double> figures = new LinkedHashMap<>();
            figures.put("per_second", perSecond);
            figures.put("p50_ms", p50Millis);
            figures.put("p99_ms", p99Millis);
            figures.put("p999_ms", p999Millis);
            figures.put("cpu_us", cpuMicros);
            figures.put("resident_mib", residentMebibytes);
            figures.put("allocated_bytes", allocatedBytes);
            figures.values().removeIf(figure -> figure.isNaN());
            return figures;
        }
    }

    /**
     * A limit for a figure.
     *
     * @param what a text that names the figure and its limit
     * @param reached whether the measured value is within the limit
     */
    public record Target(String what, double value, boolean reached) {
        static Target atLeast(String what, double value, double min) {
            return new Target(what + " >= " + trim(min), value, value >= min);
        }

        static Target atMost(String what, double value, double max) {
            return new Target(what + " <= " + trim(max), value, value <= max);
        }

        private static String trim(double number) {
            return number == Math.rint(number) ? Long.toString((long) number) : Double.toString(number);
        }
    }
}
