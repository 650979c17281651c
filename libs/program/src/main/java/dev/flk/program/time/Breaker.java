// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.time;

import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.util.concurrent.TimeUnit;
import java.util.function.IntToLongFunction;
import java.util.function.LongSupplier;

/**
 * A circuit breaker that holds back requests to a server that does not answer. The breaker opens after a number of
 * consecutive failures, waits, then lets one request through as a probe. A successful probe closes the breaker; a
 * failed probe opens the breaker again, usually for longer. Safe for any thread.
 */
public final class Breaker {
    private final CircuitBreaker breaker;
    private final LongSupplier nanoTicker;
    private final IntToLongFunction waitMillis;
    private volatile long openUntilNanos;

    /**
     * Creates a closed breaker.
     *
     * @param failuresToOpen the number of consecutive failures that open the breaker
     * @param waitMillis a function that returns the milliseconds for which the breaker stays open, given the number of
     *     times that the breaker has opened since it was last closed (at least 1)
     * @param nanoTicker monotonic time
     */
    public Breaker(int failuresToOpen, IntToLongFunction waitMillis, LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
        this.waitMillis = waitMillis;
        long startNanos = nanoTicker.getAsLong();
        this.openUntilNanos = startNanos;
        // resilience4j uses only differences between instants, so this clock may start at the epoch
        InstantSource clock = () -> Instant.EPOCH.plusNanos(nanoTicker.getAsLong() - startNanos);
        this.breaker = CircuitBreaker.of(
                "breaker",
                CircuitBreakerConfig.custom()
                        .slidingWindow(failuresToOpen, failuresToOpen, SlidingWindowType.COUNT_BASED)
                        .failureRateThreshold(100)
                        .permittedNumberOfCallsInHalfOpenState(1)
                        .waitIntervalFunctionInOpenState(this::open)
                        .clock(clock.withZone(ZoneOffset.UTC))
                        .build());
    }

    /**
     * Returns whether a request may be sent now; if so, {@link #succeeded}, {@link #failed} or {@link #release} must
     * follow.
     */
    public boolean tryAcquire() {
        return breaker.tryAcquirePermission();
    }

    /** Records that the server answered. */
    public void succeeded() {
        breaker.onSuccess(0, TimeUnit.NANOSECONDS);
    }

    /** Records that the server did not answer. */
    public void failed() {
        breaker.onError(0, TimeUnit.NANOSECONDS, new Exception("no answer"));
    }

    /** Gives back a permission from {@link #tryAcquire} that was not used. */
    public void release() {
        breaker.releasePermission();
    }

    /** Returns whether the breaker has opened and no probe has succeeded since then. */
    public boolean isOpen() {
        return breaker.getState() != CircuitBreaker.State.CLOSED;
    }

    /**
     * Returns the nanoseconds until the breaker lets a request through; 0 if the breaker is closed, its waiting time
     * has passed, or a probe is in progress.
     */
    public long remainingNanos() {
        return isOpen() ? Math.max(0, openUntilNanos - nanoTicker.getAsLong()) : 0;
    }

    private long open(int openings) {
        long millis = Math.max(1, waitMillis.applyAsLong(openings));
        // one millisecond more, because resilience4j still holds back requests at the exact end of the waiting time
        openUntilNanos = nanoTicker.getAsLong() + TimeUnit.MILLISECONDS.toNanos(millis + 1);
        return millis;
    }
}
