// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import dev.flk.program.breaker.TickerClock;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;

/**
 * When a store that failed may be tried again: opens at the first failure, waits {@value #FIRST_WAIT_MILLIS} ms and twice as long each
 * time up to {@value #MAX_WAIT_MILLIS} ms, give or take a fifth, then lets one try through. A try that succeeded closes it. Safe
 * for any thread.
 */
final class StoreBreaker {
    private static final long FIRST_WAIT_MILLIS = 100;
    private static final long MAX_WAIT_MILLIS = 2_000;

    private final LongSupplier nanoTicker;
    private final RandomGenerator random;
    private final CircuitBreaker breaker;
    private volatile long openUntilNanos;

    StoreBreaker(LongSupplier nanoTicker, RandomGenerator random) {
        this.nanoTicker = nanoTicker;
        this.random = random;
        this.openUntilNanos = nanoTicker.getAsLong();
        this.breaker = CircuitBreaker.of(
                "store",
                CircuitBreakerConfig.custom()
                        .slidingWindow(1, 1, SlidingWindowType.COUNT_BASED)
                        .failureRateThreshold(100)
                        .permittedNumberOfCallsInHalfOpenState(1)
                        .waitIntervalFunctionInOpenState(this::waitMillis)
                        .clock(new TickerClock(nanoTicker))
                        .build());
    }

    /** Whether a try may be made now; if so {@link #succeeded} or {@link #failed} must follow. */
    boolean tryAcquire() {
        return breaker.tryAcquirePermission();
    }

    void succeeded() {
        breaker.onSuccess(0, TimeUnit.NANOSECONDS);
    }

    void failed(Throwable cause) {
        breaker.onError(0, TimeUnit.NANOSECONDS, cause);
    }

    /** Nanoseconds until a try may be made; 0 if it may, or is under way. */
    long remainingNanos() {
        return Math.max(0, openUntilNanos - nanoTicker.getAsLong());
    }

    private long waitMillis(int openings) {
        long millis = Math.min(MAX_WAIT_MILLIS, FIRST_WAIT_MILLIS << Math.min(openings - 1, 10));
        long jittered = Math.round(millis * (0.8 + 0.4 * random.nextDouble()));
        openUntilNanos = nanoTicker.getAsLong() + TimeUnit.MILLISECONDS.toNanos(jittered + 1); // it opens after that
        return jittered;
    }
}
