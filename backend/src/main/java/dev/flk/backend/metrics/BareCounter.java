// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import io.prometheus.client.Collector;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/**
 * A monotonic count whose sample has exactly the name it is given. The client library's own counter appends
 * {@code _total} to every name, which would rename {@code flk_accepted}; a sample of unknown type is left as it is in
 * both text formats. Safe for any thread; counting is one striped addition.
 */
public final class BareCounter extends Collector {
    private final String name;
    private final String help;
    private final LongAdder count = new LongAdder();

    BareCounter(String name, String help) {
        this.name = name;
        this.help = help;
    }

    /** Counts one. */
    public void increment() {
        count.increment();
    }

    /** Counts {@code n}, which is not negative. */
    public void add(long n) {
        count.add(n);
    }

    /** What was counted since the start. */
    public long value() {
        return count.sum();
    }

    @Override
    public List<MetricFamilySamples> collect() {
        var sample = new MetricFamilySamples.Sample(name, List.of(), List.of(), count.sum());
        return List.of(new MetricFamilySamples(name, Type.UNKNOWN, help, List.of(sample)));
    }
}
