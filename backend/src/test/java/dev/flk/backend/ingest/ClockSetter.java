// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.time.Duration;
import java.util.Random;

/** In half of the histories, somebody sets the clocks of backends now and then, by seconds or by hours; in the others all are right. */
final class ClockSetter {
    private static final Duration FARTHEST = Duration.ofHours(6);

    /** One clock is ahead and the other behind, and the time that counts for expiry may stand for as long again. */
    private static final Duration APART = FARTHEST.multipliedBy(4);

    private static final int STEPS_BETWEEN = 40;

    private final Random random;
    private final boolean active;

    ClockSetter(Random random) {
        this.random = random;
        this.active = random.nextBoolean();
    }

    /** How far two readings may be apart. */
    Duration apart() {
        return active ? APART : Duration.ZERO;
    }

    /** Sets the clock, perhaps. */
    void step(BackendClock clock) {
        if (active && random.nextInt(STEPS_BETWEEN) == 0) {
            int most = Math.toIntExact(random.nextBoolean() ? FARTHEST.toMillis() : FARTHEST.toMillis() / 200);
            clock.set(Duration.ofMillis(random.nextInt(2 * most) - most));
        }
    }
}
