// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.breaker;

import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.concurrent.TimeUnit;
import java.util.function.IntToLongFunction;
import java.util.function.LongSupplier;

/**
 * Keeps requests from a server that does not answer: opens after a number of failures in a row, waits, then lets one request through; its
 * answer closes the breaker, its failure opens it for longer. Safe for any thread.
 */
public final class Breaker {
    private final CircuitBreaker breaker;
    private final LongSupplier nanoTicker;
    private final IntToLongFunction waitMillis;
    private volatile long openUntilNanos;

    /**
     * A closed breaker.
     *
     * @param failuresToOpen failures in a row
     * @param waitMillis how long it stays open, by how often it opened without being closed in between, from 1 on
     * @param nanoTicker monotonic time
     */
    public Breaker(int failuresToOpen, IntToLongFunction waitMillis, LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
        this.waitMillis = waitMillis;
        this.openUntilNanos = nanoTicker.getAsLong();
        this.breaker = CircuitBreaker.of(
                "breaker",
                CircuitBreakerConfig.custom()
                        .slidingWindow(failuresToOpen, failuresToOpen, SlidingWindowType.COUNT_BASED)
                        .failureRateThreshold(100)
                        .permittedNumberOfCallsInHalfOpenState(1)
                        .waitIntervalFunctionInOpenState(this::open)
                        .clock(new TickerClock(nanoTicker))
                        .build());
    }

    /** Whether a request may be sent now; if so, {@link #succeeded}, {@link #failed} or {@link #release} must follow. */
    public boolean tryAcquire() {
        return breaker.tryAcquirePermission();
    }

    /** The server answered. */
    public void succeeded() {
        breaker.onSuccess(0, TimeUnit.NANOSECONDS);
    }

    /** The server did not answer. */
    public void failed() {
        breaker.onError(0, TimeUnit.NANOSECONDS, new Exception("no answer"));
    }

    /** Nothing was sent after all. */
    public void release() {
        breaker.releasePermission();
    }

    /** Whether requests are held back, or one of them is under way as a probe. */
    public boolean isOpen() {
        return breaker.getState() != CircuitBreaker.State.CLOSED;
    }

    /** Nanoseconds until a request may be let through; 0 if nothing but a probe that is under way stands in the way. */
    public long remainingNanos() {
        return isOpen() ? Math.max(0, openUntilNanos - nanoTicker.getAsLong()) : 0;
    }

    private long open(int openings) {
        long millis = Math.max(1, waitMillis.applyAsLong(openings));
        // resilience4j's breaker opens after that, not at that
        openUntilNanos = nanoTicker.getAsLong() + TimeUnit.MILLISECONDS.toNanos(millis + 1);
        return millis;
    }

    /** Monotonic time in the form that resilience4j takes; only differences between instants have a meaning. */
    private static final class TickerClock extends Clock {
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
}
