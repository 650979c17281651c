// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

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
 * The figures of a suite. As JSON, the file of {@code --json} has one of these for each suite.
 *
 * @param suite its name
 * @param unit of the rates
 * @param base the subject that the others are compared with; "" for none
 */
public record Results(
        @JsonProperty("name") String suite,
        String unit,
        String base,
        @JsonProperty("subjects") List<Figures> figures,
        List<Target> targets) {
    /** Keeps copies. */
    public Results {
        figures = List.copyOf(figures);
        targets = List.copyOf(targets);
    }

    /** The figures of one subject. */
    public Figures of(String subject) {
        return figures.stream()
                .filter(one -> one.subject().equals(subject))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("nothing was measured of " + subject));
    }

    double rate(String subject) {
        return of(subject).median(Sample::perSecond);
    }

    /** The median of the rounds' ratios: what slows the machine down for some rounds slows both down. */
    double ratio(String subject, String other) {
        List<Sample> ones = of(subject).samples();
        List<Sample> others = of(other).samples();
        double[] ratios = IntStream.range(0, ones.size())
                .mapToDouble(
                        round -> ones.get(round).perSecond() / others.get(round).perSecond())
                .toArray();
        return StatUtils.percentile(ratios, 50);
    }

    Results with(Target... asked) {
        return new Results(suite, unit, base, figures, List.of(asked));
    }

    /** All rounds of one subject. */
    public record Figures(
            @JsonProperty("name") String subject,
            @JsonProperty("rounds") List<Sample> samples) {
        /** Keeps a copy. */
        public Figures {
            samples = List.copyOf(samples);
        }

        /** The median of the rounds. */
        public double median(ToDoubleFunction<Sample> figure) {
            return StatUtils.percentile(samples.stream().mapToDouble(figure).toArray(), 50);
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

    /**
     * The figures of one round of one subject. A figure that does not apply is {@link Double#NaN}.
     *
     * @param perSecond certificates, records or forces a second
     * @param p50Millis median latency
     * @param cpuMicros processor time of the server for each certificate
     * @param residentMebibytes resident memory of the server
     * @param allocatedBytes of the heap, for each operation of a single step
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

        /** Without latencies. */
        static Sample ofRate(double perSecond, double cpuMicros, double residentMebibytes) {
            return new Sample(perSecond, Double.NaN, Double.NaN, Double.NaN, cpuMicros, residentMebibytes, Double.NaN);
        }

        /** Of a single step in one thread. */
        static Sample ofStep(double micros, double allocatedBytes) {
            return new Sample(1e6 / micros, Double.NaN, Double.NaN, Double.NaN, micros, Double.NaN, allocatedBytes);
        }

        /** The rate, or the median time of a sample without a rate. */
        String summary(String unit) {
            return Double.isNaN(perSecond)
                    ? String.format(Locale.ROOT, "%,12.0f ms", p50Millis)
                    : String.format(Locale.ROOT, "%,12.0f %s/s", perSecond, unit);
        }

        /** The figures that apply, by their names in JSON. */
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
     * A limit of a figure.
     *
     * @param what the figure and its limit, in words
     * @param reached whether the measured value is within the limit
     */
    public record Target(String what, double value, boolean reached) {
        static Target atLeast(String what, double value, double least) {
            return new Target(what + " >= " + trim(least), value, value >= least);
        }

        static Target atMost(String what, double value, double most) {
            return new Target(what + " <= " + trim(most), value, value <= most);
        }

        private static String trim(double number) {
            return number == Math.rint(number) ? Long.toString((long) number) : Double.toString(number);
        }
    }
}
