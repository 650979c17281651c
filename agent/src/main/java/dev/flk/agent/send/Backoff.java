// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * How long to wait before another try: {@code min(maxDelay, baseDelay·2ⁿ)} with full jitter, that is, anything between
 * nothing and that, so that agents which failed together do not come back together.
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

    /** The wait in nanoseconds after {@code failures} failures before this one. */
    long afterNanos(int failures) {
        return jitter(ceilingNanos(failures));
    }

    /** The same, but never less than half: for a breaker, where no wait at all would be no breaker. */
    long atLeastHalfNanos(int failures) {
        long half = ceilingNanos(failures) / 2;
        return half + jitter(half);
    }

    private long ceilingNanos(int failures) {
        // 2^n by shifting, and no further than where the maximum is reached for sure
        int doublings = Math.min(Math.max(failures, 0), Long.numberOfLeadingZeros(Math.max(baseNanos, 1)) - 1);
        return Math.min(maxNanos, baseNanos << doublings);
    }

    private long jitter(long ceilingNanos) {
        return ceilingNanos == 0 ? 0 : random.nextLong(ceilingNanos + 1);
    }
}
