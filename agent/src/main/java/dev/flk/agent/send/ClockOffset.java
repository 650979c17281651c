// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The offset of the backend's clock from the agent's (positive if the backend is ahead), measured from the {@code Date}
 * of the backend's answers. Owned by the sender's thread.
 *
 * <p>A {@code Date} that agrees with the last measurement is accepted at once. A {@code Date} agrees if the offset is
 * nearly the same, or if the backend's clock has advanced by about the elapsed time. Any other {@code Date} may be
 * wrong, for example because a proxy has set it; it is accepted only when {@value #AGREEING} consecutive answers agree
 * with each other. Before the first measurement, the agent's clock is assumed to be right.
 *
 * <p>{@code Date} has whole seconds, and is therefore half a second behind the backend's clock on average. An offset
 * that may be due only to this rounding and to the duration of the request counts as zero. The duration of a request is
 * measured on the ticker, because the agent's clock may be changed during the request.
 */
final class ClockOffset {
    private static final Duration HALF_A_DATE = Duration.ofMillis(500);
    private static final Duration RESOLUTION = Duration.ofSeconds(1);

    /**
     * The difference above which a clock counts as having jumped. This threshold is larger than the drift of a clock
     * between two answers, and smaller than the default tolerance of every backend rule that depends on time.
     */
    private static final Duration JUMP = Duration.ofSeconds(5);

    private static final int AGREEING = 3;
    /**
     * The number of refused measurements after which an unknown offset no longer prevents sending. The last accepted
     * measurement is then used again; see {@link #keep}.
     */
    private static final int MOST_DOUBTED = 6;

    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private boolean unknown = true;
    /** Whether any measurement was accepted so far. */
    private boolean measured;

    private Duration offset = Duration.ZERO;
    private Instant measuredAt;
    private long measuredAtNanos;
    private @Nullable Doubted doubted;
    private int doubts;

    /**
     * A measurement that is not accepted yet: the backend's time, the time on the ticker at that moment, and the number
     * of consecutive answers, including this one, that agree with each other.
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
     * Measures the offset from the {@code Date} of an answer. The answer has just arrived, {@code roundTripNanos} after
     * the request was sent.
     *
     * @return empty if the measurement was accepted; otherwise the measured offset, which is not used
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
     * Returns the offset at {@code now} on the assumption that the backend's clock has advanced by the elapsed time
     * since the last measurement. The result differs from the last offset if the agent's clock was changed since then.
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
     * Uses the last accepted measurement again, advanced by the elapsed time. If no measurement was accepted yet,
     * assumes that the agent's clock is right. Called for answers without a {@code Date}, and after too many refused
     * measurements.
     */
    void keep() {
        set(measured ? byElapsedTime(clock.instant()) : Duration.ZERO);
    }

    /**
     * Returns the current time of the backend's clock: its time at the last measurement plus the elapsed time. Returns
     * empty before the first measurement.
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

    /** Requires another measurement before anything is sent, because the last measurement may be wrong. */
    void forget() {
        unknown = true;
        doubts = 0;
    }

    /**
     * Requires another measurement if the agent's clock and the ticker have advanced differently since the last
     * measurement: the clock was changed, or the machine slept.
     */
    void forgetIfClockJumped() {
        Duration wall = Duration.between(measuredAt, clock.instant());
        Duration ticker = Duration.ofNanos(nanoTicker.getAsLong() - measuredAtNanos);
        if (!unknown && wall.minus(ticker).abs().compareTo(JUMP) > 0) {
            forget();
        }
    }

    /** Returns the offset to add to the agent's clock; while the offset is unknown, returns the last known offset. */
    Duration get() {
        return offset;
    }
}
