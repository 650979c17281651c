// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.breaker;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.function.LongSupplier;

/** Monotonic time in the form that resilience4j's breaker takes; only differences between instants have a meaning. Safe for any thread. */
public final class TickerClock extends Clock {
    private final LongSupplier nanoTicker;
    private final long startNanos;

    /** @param nanoTicker in nanoseconds, never goes back */
    public TickerClock(LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
        this.startNanos = nanoTicker.getAsLong();
    }

    @Override
    public Instant instant() {
        return Instant.EPOCH.plus(Duration.ofNanos(nanoTicker.getAsLong() - startNanos));
    }

    @Override
    public ZoneId getZone() {
        return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
        return this;
    }
}
