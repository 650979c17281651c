// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.program.breaker.TickerClock;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Stops sending while the backend does not answer: opens after {@value #FAILURES_TO_OPEN} outages in a row, waits with backoff, then lets
 * one request through; its answer closes the breaker or opens it for longer. Owned by the sender's thread; {@link #isOpen}
 * may be asked from any.
 */
final class EndpointBreaker {
    private static final int FAILURES_TO_OPEN = 4;

    private final CircuitBreaker breaker;
    private final LongSupplier nanoTicker;
    private long openUntilNanos;

    EndpointBreaker(Backoff backoff, LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
        openUntilNanos = nanoTicker.getAsLong();
        CircuitBreakerConfig config = CircuitBreakerConfig.custom()
                .slidingWindow(FAILURES_TO_OPEN, FAILURES_TO_OPEN, SlidingWindowType.COUNT_BASED)
                .failureRateThreshold(100)
                .permittedNumberOfCallsInHalfOpenState(1)
                .waitIntervalFunctionInOpenState(openings -> waitMillis(backoff, openings))
                .clock(new TickerClock(nanoTicker))
                .build();
        breaker = CircuitBreaker.of("endpoint", config);
    }

    /** Whether a request may be sent now; if so, {@link #answered}, {@link #failed} or {@link #release} must follow. */
    boolean tryAcquire() {
        return breaker.tryAcquirePermission();
    }

    /** The backend answered, whatever it said. */
    void answered() {
        breaker.onSuccess(0, TimeUnit.NANOSECONDS);
    }

    /** No answer, or somebody else's. */
    void failed() {
        breaker.onError(0, TimeUnit.NANOSECONDS, new Exception("no answer"));
    }

    /** Nothing was sent after all. */
    void release() {
        breaker.releasePermission();
    }

    /** Whether sending is stopped (or probed). */
    boolean isOpen() {
        return breaker.getState() != CircuitBreaker.State.CLOSED;
    }

    /** Nanoseconds until a request may be let through again; 0 if nothing but a running probe stands in the way. */
    long remainingNanos() {
        return isOpen() ? Math.max(0, openUntilNanos - nanoTicker.getAsLong()) : 0;
    }

    private long waitMillis(Backoff backoff, int openings) {
        long millis = Math.max(1, TimeUnit.NANOSECONDS.toMillis(backoff.atLeastHalfNanos(openings)));
        // the breaker opens after that, not at that
        openUntilNanos = nanoTicker.getAsLong() + TimeUnit.MILLISECONDS.toNanos(millis + 1);
        return millis;
    }
}
