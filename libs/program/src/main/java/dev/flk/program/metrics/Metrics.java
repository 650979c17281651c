// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.metrics;

import io.prometheus.client.Collector;
import io.prometheus.client.Collector.MetricFamilySamples;
import io.prometheus.client.CollectorRegistry;
import io.prometheus.client.Histogram;
import io.prometheus.client.Info;
import io.prometheus.client.hotspot.DefaultExports;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.DoubleConsumer;
import java.util.function.DoubleSupplier;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The registry of the backend's metrics, in which each {@link Feature} declares its families. Features declare their
 * families before the first scrape, so that every scrape shows all families. Safe for any thread.
 */
public final class Metrics {
    private final CollectorRegistry registry = new CollectorRegistry(true);

    /** @param version the version of this build, for {@code flk_build_info} */
    public Metrics(String version) {
        info(
                "flk_build",
                "The running build.",
                "version",
                version,
                "java",
                Runtime.version().toString());
    }

    /**
     * Declares a family with a single sample, whose value is 1 and whose labels are the information.
     *
     * @param name the name without its suffix {@code _info}
     * @param labels the names of the labels, each followed by its value
     */
    public void info(String name, String help, String... labels) {
        Info.build(name, help).register(registry).info(labels);
    }

    /**
     * Adds the families of the running JVM and its process, such as memory and threads. Must be called at most once.
     */
    public void watchJvm() {
        DefaultExports.register(registry);
    }

    /** Renders all families in a format that {@link Exposition#format} returned. */
    public Exposition expose(String contentType) {
        return Exposition.of(registry, contentType);
    }

    /** Reads all families, as a scrape does. */
    public Samples read() {
        return new Samples(
                Collections.list(registry.metricFamilySamples()).stream().flatMap(family -> family.samples.stream()));
    }

    /** The metrics of one feature: a subclass declares each metric as a field. */
    public abstract static class Feature {
        /** The upper bounds of the buckets of a histogram of response times, in seconds. */
        protected static final double[] ANSWER_SECONDS = {
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
        };

        private final CollectorRegistry registry;

        protected Feature(Metrics metrics) {
            registry = metrics.registry;
        }

        /** Declares a counter. The name must end with {@code _total}. */
        protected final Count counter(String name, String help) {
            return counted(name, help, Collector.Type.COUNTER);
        }

        /**
         * Declares a counter whose sample has exactly this name. The client library appends {@code _total} to the name
         * of every counter, which would rename {@code flk_accepted}. Therefore, this counter is declared as a family of
         * unknown type, whose name the library leaves unchanged in both text formats.
         */
        protected final Count bareCounter(String name, String help) {
            return counted(name, help, Collector.Type.UNKNOWN);
        }

        private Count counted(String name, String help, Collector.Type type) {
            Count count = new Count();
            register(name, help, type, List.of(), () -> List.of(new Sample(List.of(), count.value())));
            return count;
        }

        /** Declares a counter with one label. From the start, the counter has a sample for each of {@code values}. */
        protected final <L> Counts<L> counter(
                String name, String help, String label, Collection<L> values, Function<L, String> text) {
            Counts<L> counts = new Counts<>(values);
            counterFamily(
                    name,
                    help,
                    List.of(label),
                    () -> counts.byLabel.entrySet().stream()
                            .map(count -> new Sample(
                                    List.of(text.apply(count.getKey())),
                                    count.getValue().sum()))
                            .toList());
            return counts;
        }

        /** Declares a gauge. Its value is 0 until {@link Gauge#watch} or {@link Gauge#add} is called. */
        protected final Gauge gauge(String name, String help) {
            return watched(name, help, Collector.Type.GAUGE);
        }

        /** Declares a counter whose value is read at each scrape. The name must end with {@code _total}. */
        protected final Gauge watchedCounter(String name, String help) {
            return watched(name, help, Collector.Type.COUNTER);
        }

        private Gauge watched(String name, String help, Collector.Type type) {
            Gauge gauge = new Gauge();
            register(name, help, type, List.of(), () -> List.of(new Sample(List.of(), gauge.value.getAsDouble())));
            return gauge;
        }

        /**
         * Declares a histogram of durations.
         *
         * @param seconds the upper bounds of the buckets, in seconds
         */
        protected final Timing timing(String name, String help, double[] seconds) {
            return new Timing(Histogram.build(name, help).buckets(seconds).register(registry)::observe);
        }

        /**
         * Declares a histogram of durations with labels. The returned function takes one value for each label and
         * returns the {@link Timing} for these values.
         *
         * @param seconds the upper bounds of the buckets, in seconds
         */
        protected final Function<List<String>, Timing> timings(
                String name, String help, List<String> labels, double[] seconds) {
            Histogram histogram = Histogram.build(name, help)
                    .labelNames(labels.toArray(String[]::new))
                    .buckets(seconds)
                    .register(registry);
            return values -> new Timing(histogram.labels(values.toArray(String[]::new))::observe);
        }

        /** Declares a gauge with labels whose samples are read at each scrape. */
        protected final void gaugeFamily(
                String name, String help, List<String> labels, Supplier<List<Sample>> samples) {
            register(name, help, Collector.Type.GAUGE, labels, samples);
        }

        /**
         * Declares a counter with labels whose samples are read at each scrape. The name must end with {@code _total}.
         */
        protected final void counterFamily(
                String name, String help, List<String> labels, Supplier<List<Sample>> samples) {
            register(name, help, Collector.Type.COUNTER, labels, samples);
        }

        private void register(
                String name, String help, Collector.Type type, List<String> labels, Supplier<List<Sample>> samples) {
            registry.register(new Collector() {
                @Override
                public List<MetricFamilySamples> collect() {
                    List<MetricFamilySamples.Sample> all = samples.get().stream()
                            .map(sample ->
                                    new MetricFamilySamples.Sample(name, labels, sample.labels(), sample.value()))
                            .toList();
                    return List.of(new MetricFamilySamples(name, type, help, all));
                }
            });
        }
    }

    /** The value of a metric family for one combination of label values. */
    public record Sample(List<String> labels, double value) {}

    /** A counter. Counting is one striped addition. */
    public static final class Count {
        private final LongAdder count = new LongAdder();

        private Count() {}

        /** Counts one. */
        public void increment() {
            count.increment();
        }

        /** Counts {@code n}, which is not negative. */
        public void add(long n) {
            count.add(n);
        }

        /** Returns the count since the start. */
        public long value() {
            return count.sum();
        }
    }

    /** A counter for each value of a label. */
    public static final class Counts<L> {
        private final Map<L, LongAdder> byLabel = new ConcurrentHashMap<>();

        private Counts(Collection<L> values) {
            values.forEach(value -> byLabel.put(value, new LongAdder()));
        }

        /**
         * Adds one to the counter of this value. There must be few values, because each value that was ever counted has
         * a sample.
         */
        public void increment(L value) {
            add(value, 1);
        }

        /** Adds {@code n}, which is not negative, to the counter of this value; see {@link #increment}. */
        public void add(L value, long n) {
            LongAdder known = byLabel.get(value);
            (known != null ? known : byLabel.computeIfAbsent(value, unused -> new LongAdder())).add(n);
        }
    }

    /** A value that is read at each scrape. */
    public static final class Gauge {
        private volatile DoubleSupplier value = () -> 0;

        private Gauge() {}

        /** Makes the gauge read {@code value} on the scraping thread; {@code value} must not block. */
        public void watch(DoubleSupplier value) {
            this.value = value;
        }

        /** Makes the gauge read the sum of its current source and {@code more}. */
        public synchronized void add(DoubleSupplier more) {
            DoubleSupplier before = value;
            value = () -> before.getAsDouble() + more.getAsDouble();
        }
    }

    /** A histogram of durations, recorded in nanoseconds and shown in seconds. */
    public static final class Timing {
        private static final double NANOS_PER_SECOND = 1e9;

        private final DoubleConsumer seconds;

        private Timing(DoubleConsumer seconds) {
            this.seconds = seconds;
        }

        public void observeNanos(long nanos) {
            seconds.accept(nanos / NANOS_PER_SECOND);
        }
    }
}
