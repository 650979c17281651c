// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * How far the backend's clock is ahead of the agent's, measured by the {@code Date} of its answers. Owned by the sender's thread.
 *
 * <p>A {@code Date} that fits the last measurement, by elapsed time or by the agent's clock, is believed at once. Any other may be
 * a mistake, for example of a proxy: it is believed only after {@value #AGREEING} answers in a row agree. Before the first measurement, the
 * agent's clock is assumed to be right.
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

    private static final int AGREEING = 3;
    /** The number of answers that fit neither the last measurement nor each other, after which that measurement is used. */
    private static final int MOST_DOUBTED = 6;

    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private boolean unknown = true;
    /** Whether any measurement was believed. */
    private boolean measured;

    private Duration offset = Duration.ZERO;
    private Instant learntAt;
    private long learntAtNanos;
    private @Nullable Doubted doubted;
    private int doubts;

    /** A measurement that is not believed yet: the backend's time, when it was read on the ticker, and how many in a row agree. */
    private record Doubted(Instant date, long atNanos, int agreeing) {
        boolean agreesWith(Instant later, long nanos, Duration tolerance) {
            return isWithin(tolerance, Duration.between(date.plusNanos(nanos - atNanos), later));
        }
    }

    ClockOffset(InstantSource clock, LongSupplier nanoTicker) {
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.learntAt = clock.instant();
        this.learntAtNanos = nanoTicker.getAsLong();
    }

    /** Whether it must be measured before anything is sent. */
    boolean unknown() {
        return unknown;
    }

    /**
     * Learns from an answer that has just come, {@code roundTripNanos} after its request.
     *
     * @return empty if the measurement is believed, else how far the backend's clock is ahead by it
     */
    Optional<Duration> learn(Instant date, long roundTripNanos) {
        Duration roundTrip = Duration.ofNanos(roundTripNanos);
        Instant now = clock.instant();
        Duration measured = Duration.between(now.minus(roundTrip.dividedBy(2)), date.plus(HALF_A_DATE));
        Duration tolerance = JUMP.plus(roundTrip);
        if (isWithin(tolerance, measured.minus(offset))
                || isWithin(tolerance, measured.minus(byElapsedTime(now)))
                || isConfirmed(now.plus(measured), tolerance)) {
            set(isWithin(RESOLUTION.plus(roundTrip), measured) ? Duration.ZERO : measured);
            this.measured = true;
            return Optional.empty();
        }
        if (unknown && doubts >= MOST_DOUBTED) {
            keep();
        }
        return Optional.of(measured);
    }

    /** Returns the offset for a backend's clock that was not set since the last measurement, whatever the own clock did. */
    private Duration byElapsedTime(Instant now) {
        return Duration.between(now, learntAt.plusNanos(nanoTicker.getAsLong() - learntAtNanos))
                .plus(offset);
    }

    private boolean isConfirmed(Instant date, Duration tolerance) {
        long nanos = nanoTicker.getAsLong();
        Doubted last = doubted;
        int agreeing = last != null && last.agreesWith(date, nanos, tolerance) ? last.agreeing() + 1 : 1;
        doubted = new Doubted(date, nanos, agreeing);
        doubts++;
        return agreeing >= AGREEING;
    }

    private static boolean isWithin(Duration tolerance, Duration difference) {
        return difference.abs().compareTo(tolerance) <= 0;
    }

    /**
     * Keeps to the last measurement, whatever the own clock did since; without one, assumes that the agent's clock is right. Called
     * when an answer had no {@code Date}.
     */
    void keep() {
        set(measured ? byElapsedTime(clock.instant()) : Duration.ZERO);
    }

    /** Returns the time of the backend's clock by elapsed time since the last measurement; empty before the first one. */
    Optional<Instant> backendTime() {
        return measured
                ? Optional.of(learntAt.plus(offset).plusNanos(nanoTicker.getAsLong() - learntAtNanos))
                : Optional.empty();
    }

    private void set(Duration learnt) {
        unknown = false;
        offset = learnt;
        learntAt = clock.instant();
        learntAtNanos = nanoTicker.getAsLong();
        doubted = null;
        doubts = 0;
    }

    /** Requires another measurement before anything is sent: the last one may be wrong. */
    void forget() {
        unknown = true;
        doubts = 0;
    }

    /** Forgets the measurement if the agent's clock was set since, or the machine slept: clock and ticker then disagree. */
    void forgetIfClockJumped() {
        Duration wall = Duration.between(learntAt, clock.instant());
        Duration ticker = Duration.ofNanos(nanoTicker.getAsLong() - learntAtNanos);
        if (!unknown && wall.minus(ticker).abs().compareTo(JUMP) > 0) {
            forget();
        }
    }

    /** Returns the offset to add to the own clock; while unknown, the last one. */
    Duration get() {
        return offset;
    }
}
