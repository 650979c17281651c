// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The offset of the backend's clock from the agent's (positive if the backend is ahead), measured by the {@code Date}
 * of answers. Owned by the sender's thread.
 *
 * <p>A {@code Date} that agrees with the last measurement, by elapsed time or by the agent's clock, is accepted at
 * once. Any other may be a mistake, for example of a proxy, and is accepted only after {@value #AGREEING} consecutive
 * answers agree. Before the first measurement, the agent's clock is assumed to be right.
 *
 * <p>{@code Date} counts whole seconds, so on average it is half a second old when it is written; a difference that
 * this alone can explain counts as zero. The round trip is measured on the ticker, so that a step of the agent's clock
 * does not distort the measurement.
 */
final class ClockOffset {
    private static final Duration HALF_A_DATE = Duration.ofMillis(500);
    private static final Duration RESOLUTION = Duration.ofSeconds(1);

    /**
     * The smallest difference that counts as a jump: more than a clock drifts between two answers, less than the
     * tolerance of any rule about time.
     */
    private static final Duration JUMP = Duration.ofSeconds(5);

    private static final int AGREEING = 3;
    /**
     * The number of answers that agree neither with the last measurement nor with each other, after which that
     * measurement is used.
     */
    private static final int MOST_DOUBTED = 6;

    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private boolean unknown = true;
    /** Whether any measurement was accepted. */
    private boolean measured;

    private Duration offset = Duration.ZERO;
    private Instant measuredAt;
    private long measuredAtNanos;
    private @Nullable Doubted doubted;
    private int doubts;

    /**
     * A measurement that is not accepted yet: the backend's time, the ticker at that time, and the number of
     * consecutive answers that agree.
     */
    private record Doubted(Instant date, long atNanos, int agreeing) {
        boolean agreesWith(Instant later, long nanos, Duration tolerance) {
            return isWithin(tolerance, Duration.between(date.plusNanos(nanos - atNanos), later));
        }
    }

    ClockOffset(InstantSource clock, LongSupplier nanoTicker) {
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.measuredAt = clock.instant();
        this.measuredAtNanos = nanoTicker.getAsLong();
    }

    /** Returns whether the offset must be measured before anything is sent. */
    boolean unknown() {
        return unknown;
    }

    /**
     * Measures the offset by an answer that has just arrived, {@code roundTripNanos} after its request.
     *
     * @return empty if the measurement is accepted, else the offset that it measured
     */
    Optional<Duration> measure(Instant date, long roundTripNanos) {
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

    /**
     * Returns the offset, assuming that the backend's clock was not set since the last measurement; the agent's clock
     * may have been.
     */
    private Duration byElapsedTime(Instant now) {
        return Duration.between(now, measuredAt.plusNanos(nanoTicker.getAsLong() - measuredAtNanos))
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
     * Keeps the last measurement, even if the agent's clock was set since; without one, assumes that the agent's clock
     * is right. Called when an answer has no {@code Date}, or when too many answers disagree.
     */
    void keep() {
        set(measured ? byElapsedTime(clock.instant()) : Duration.ZERO);
    }

    /**
     * Returns the time of the backend's clock, by elapsed time since the last measurement; empty before the first one.
     */
    Optional<Instant> backendTime() {
        return measured
                ? Optional.of(measuredAt.plus(offset).plusNanos(nanoTicker.getAsLong() - measuredAtNanos))
                : Optional.empty();
    }

    private void set(Duration accepted) {
        unknown = false;
        offset = accepted;
        measuredAt = clock.instant();
        measuredAtNanos = nanoTicker.getAsLong();
        doubted = null;
        doubts = 0;
    }

    /** Requires another measurement before anything is sent, because the last one may be wrong. */
    void forget() {
        unknown = true;
        doubts = 0;
    }

    /**
     * Forgets the measurement if the agent's clock was set since, or the machine slept, so that clock and ticker
     * disagree.
     */
    void forgetIfClockJumped() {
        Duration wall = Duration.between(measuredAt, clock.instant());
        Duration ticker = Duration.ofNanos(nanoTicker.getAsLong() - measuredAtNanos);
        if (!unknown && wall.minus(ticker).abs().compareTo(JUMP) > 0) {
            forget();
        }
    }

    /** Returns the offset to add to the agent's clock; while it is unknown, the last one. */
    Duration get() {
        return offset;
    }
}
