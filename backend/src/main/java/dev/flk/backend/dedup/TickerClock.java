// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.function.LongSupplier;

/** Monotonic time as resilience4j wants to see it; only differences mean anything. */
final class TickerClock extends Clock {
    private final LongSupplier nanoTicker;
    private final long startNanos;

    TickerClock(LongSupplier nanoTicker) {
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
