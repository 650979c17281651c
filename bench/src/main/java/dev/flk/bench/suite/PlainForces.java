// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.process.DiskForce;
import java.io.IOException;
import org.HdrHistogram.Histogram;

/** Forces of the disk, one after the other, without anything else. */
record PlainForces(DiskForce disk) implements Subject {
    static final String NAME = "plain disk force";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Sample round(Plan plan) throws IOException {
        Histogram nanos = disk.run(plan.measured());
        return Sample.of(nanos.getTotalCount() / (plan.measured().toNanos() / 1e9), nanos, Double.NaN, Double.NaN);
    }
}
