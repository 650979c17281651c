// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import java.util.function.DoubleConsumer;

/** A histogram of durations: given in nanoseconds, shown in seconds. Safe for any thread. */
public final class Timing {
    private static final double NANOS_PER_SECOND = 1e9;

    private final DoubleConsumer seconds;

    Timing(DoubleConsumer seconds) {
        this.seconds = seconds;
    }

    /** Records one duration. */
    public void observeNanos(long nanos) {
        seconds.accept(nanos / NANOS_PER_SECOND);
    }
}
