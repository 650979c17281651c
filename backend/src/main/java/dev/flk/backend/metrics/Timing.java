// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import io.prometheus.client.Histogram;

/** A histogram of durations: given in nanoseconds, shown in seconds. Safe for any thread. */
public final class Timing {
    private static final double NANOS_PER_SECOND = 1e9;

    private final Histogram seconds;

    Timing(Histogram seconds) {
        this.seconds = seconds;
    }

    /** Records one duration. */
    public void observeNanos(long nanos) {
        seconds.observe(nanos / NANOS_PER_SECOND);
    }
}
