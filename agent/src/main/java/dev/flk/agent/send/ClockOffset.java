// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * How far the backend's clock is ahead of ours, learnt from the {@code Date} of its answers. Owned by the sender's thread.
 *
 * <p>{@code Date} counts whole seconds, so on average it is half a second old when it is written; a difference that this
 * alone can explain counts as none.
 */
final class ClockOffset {
    private static final Duration HALF_A_DATE = Duration.ofMillis(500);
    private static final Duration RESOLUTION = Duration.ofSeconds(1);

    private @Nullable Duration offset;

    /** Whether a measurement is needed before anything is sent. */
    boolean unknown() {
        return offset == null;
    }

    /** Learns from an answer to a request that was sent and answered at these times of the own clock. */
    void learn(Instant date, Instant sentAt, Instant answeredAt) {
        Duration roundTrip = Duration.between(sentAt, answeredAt);
        Duration measured = Duration.between(sentAt.plus(roundTrip.dividedBy(2)), date.plus(HALF_A_DATE));
        boolean noise = measured.abs().compareTo(RESOLUTION.plus(roundTrip.abs())) <= 0;
        offset = noise ? Duration.ZERO : measured;
    }

    /** Takes the own clock for right: an answer had no {@code Date} to learn from. */
    void assumeNone() {
        offset = Duration.ZERO;
    }

    /** What was learnt is wrong; the next measurement replaces it. */
    void forget() {
        offset = null;
    }

    /** The offset to add to the own clock; zero while unknown. */
    Duration get() {
        return offset == null ? Duration.ZERO : offset;
    }
}
