// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * How far the backend's clock is ahead of the agent's, measured by the {@code Date} of its answers. Owned by the sender's thread.
 *
 * <p>{@code Date} counts whole seconds, so on average it is half a second old when it is written; a difference that this
 * alone can explain counts as none. The round trip is measured on the ticker, so that a step of the own clock is no error of
 * the measurement.
 */
final class ClockOffset {
    private static final Duration HALF_A_DATE = Duration.ofMillis(500);
    private static final Duration RESOLUTION = Duration.ofSeconds(1);

    /** More than a clock drifts between two answers, less than any rule about time forgives. */
    private static final Duration JUMP = Duration.ofSeconds(5);

    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private @Nullable Duration offset;
    private Instant learntAt = Instant.EPOCH;
    private long learntAtNanos;

    ClockOffset(InstantSource clock, LongSupplier nanoTicker) {
        this.clock = clock;
        this.nanoTicker = nanoTicker;
    }

    /** Whether it must be measured before anything is sent. */
    boolean unknown() {
        return offset == null;
    }

    /** Learns from an answer that has just come, {@code roundTripNanos} after its request. */
    void learn(Instant date, long roundTripNanos) {
        Duration roundTrip = Duration.ofNanos(roundTripNanos);
        Duration measured = Duration.between(clock.instant().minus(roundTrip.dividedBy(2)), date.plus(HALF_A_DATE));
        boolean noise = measured.abs().compareTo(RESOLUTION.plus(roundTrip)) <= 0;
        set(noise ? Duration.ZERO : measured);
    }

    /** Assumes that the agent's clock is right: an answer had no {@code Date}. */
    void assumeNone() {
        set(Duration.ZERO);
    }

    private void set(Duration learnt) {
        offset = learnt;
        learntAt = clock.instant();
        learntAtNanos = nanoTicker.getAsLong();
    }

    /** The measurement is wrong; the next one replaces it. */
    void forget() {
        offset = null;
    }

    /** Forgets the measurement if the agent's clock was set since, or the machine slept: clock and ticker then disagree. */
    void forgetIfClockJumped() {
        Duration wall = Duration.between(learntAt, clock.instant());
        Duration ticker = Duration.ofNanos(nanoTicker.getAsLong() - learntAtNanos);
        if (wall.minus(ticker).abs().compareTo(JUMP) > 0) {
            forget();
        }
    }

    /** The offset to add to the own clock; zero while unknown. */
    Duration get() {
        return offset == null ? Duration.ZERO : offset;
    }
}
