// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * The wait after a failure: a random time between 0 and {@code min(maxDelay, baseDelay·2ⁿ)}, where {@code n} is the
 * number of earlier failures (full jitter). The randomness keeps agents that failed at the same time from retrying at
 * the same time.
 */
final class Backoff {
    private final long baseNanos;
    private final long maxNanos;
    private final RandomGenerator random;

    Backoff(Duration baseDelay, Duration maxDelay, RandomGenerator random) {
        if (baseDelay.isNegative() || maxDelay.compareTo(baseDelay) < 0) {
            throw new IllegalArgumentException("need 0 <= base delay <= max delay, got " + baseDelay + ", " + maxDelay);
        }
        this.baseNanos = baseDelay.toNanos();
        this.maxNanos = maxDelay.toNanos();
        this.random = random;
    }

    /** Returns the wait after a failure, in nanoseconds. {@code failures} is the number of earlier failures. */
    long afterNanos(int failures) {
        return jitter(ceilingNanos(failures));
    }

    /**
     * Returns a random wait in nanoseconds, between half of {@code min(maxDelay, baseDelay·2ⁿ)} and the full value,
     * where {@code n} is {@code failures}. Used for waits that must not be close to 0, for example while a breaker is
     * open.
     */
    long atLeastHalfNanos(int failures) {
        long half = ceilingNanos(failures) / 2;
        return half + jitter(half);
    }

    private long ceilingNanos(int failures) {
        // computes 2^n by shifting, with n limited to avoid an overflow
        int doublings = Math.min(Math.max(failures, 0), Long.numberOfLeadingZeros(Math.max(baseNanos, 1)) - 1);
        return Math.min(maxNanos, baseNanos << doublings);
    }

    private long jitter(long ceilingNanos) {
        return ceilingNanos == 0 ? 0 : random.nextLong(ceilingNanos + 1);
    }
}
