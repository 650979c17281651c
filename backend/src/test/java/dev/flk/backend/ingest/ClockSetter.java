// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.time.Duration;
import java.util.Random;

/**
 * In half of the histories, the clocks of backends jump now and then, by seconds, by hours, or in some of them by weeks; in the others all
 * are right.
 */
final class ClockSetter {
    private static final Duration HOURS = Duration.ofHours(6);
    private static final Duration WEEKS = Duration.ofDays(20);

    private static final int STEPS_BETWEEN = 40;

    private final Random random;
    private final boolean active;
    private final Duration farthest;

    /** @param farthest how far a clock may jump; clocks that share a store must not be a life of an outcome apart */
    private ClockSetter(Random random, Duration farthest) {
        this.random = random;
        this.active = random.nextBoolean();
        this.farthest = farthest;
    }

    static ClockSetter ofOneBackend(Random random) {
        return new ClockSetter(random, random.nextInt(4) == 0 ? WEEKS : HOURS);
    }

    static ClockSetter ofSeveralBackends(Random random) {
        return new ClockSetter(random, HOURS);
    }

    /** How far two readings may be apart. */
    Duration apart() {
        // one clock is ahead and the other behind, and the time that counts for expiry may stand for as long again
        return active ? farthest.multipliedBy(4) : Duration.ZERO;
    }

    /** Sets the clock, perhaps. */
    void step(BackendClock clock) {
        if (active && random.nextInt(STEPS_BETWEEN) == 0) {
            long most = random.nextBoolean() ? farthest.toMillis() : HOURS.toMillis() / 200;
            clock.set(Duration.ofMillis(random.nextLong(-most, most)));
        }
    }
}
