// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.time.Duration;
import java.time.InstantSource;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Doubts the wall clock when it parts from the monotonic one, as when somebody sets it. What counts in days must not believe it
 * then. After an hour without another step it is believed again. One thread.
 */
final class ClockWatch {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");
    private static final Duration BELIEVED_AFTER = Duration.ofHours(1);

    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final Duration maxStep;
    private long offsetMillis;
    private long doubtedNanos;
    private boolean doubted;

    /** @param maxStep how far the clocks may part; zero: as far as they like */
    ClockWatch(InstantSource clock, LongSupplier nanoTicker, Duration maxStep) {
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.maxStep = maxStep;
        this.offsetMillis = offset();
    }

    private long offset() {
        return clock.millis() - nanoTicker.getAsLong() / 1_000_000;
    }

    /** Whether the wall clock can be believed. */
    boolean isBelievable() {
        long now = offset();
        long step = now - offsetMillis;
        if (!maxStep.isZero() && Math.abs(step) > maxStep.toMillis()) {
            LOG.warn("the wall clock was set by {} ms: nothing is removed from the log for an hour", step);
            offsetMillis = now;
            doubted = true;
            doubtedNanos = nanoTicker.getAsLong();
        }
        if (doubted && nanoTicker.getAsLong() - doubtedNanos >= BELIEVED_AFTER.toNanos()) {
            doubted = false;
        }
        return !doubted;
    }
}
