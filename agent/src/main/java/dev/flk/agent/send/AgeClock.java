// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.Outbox.LastSending;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The clock on which {@code MAX_AGE} is measured. It continues from the last reading that the outbox has recorded;
 * without such a reading, the clock starts with the backend's time or, if that time is unknown, with the agent's time.
 * The clock advances with elapsed time, which does not include the time during which the machine slept or the agent did
 * not run. The missing time is added if the agent's clock and the backend's clock are both ahead of elapsed time; the
 * smaller of the two differences counts. A difference of up to a minute is added at once. A larger difference is added
 * only after both clocks have stayed ahead for {@link #CONFIRMED_AFTER}, so that a jump of one clock, or a temporary
 * jump of both clocks, does not make a certificate old. If the backend's clock was never measured, only elapsed time
 * counts.
 *
 * <p>If the agent's clock went back between two readings, the earlier reading was ahead and measures nothing. The time
 * of the backend's clock at the earlier reading then takes its place: the difference of the agent's clock is its
 * present time minus that time. So the backend's clock counts if the corrected clock confirms it, and a wrong {@code
 * Date} alone still makes nothing old.
 *
 * <p>Owned by the sender's thread.
 */
final class AgeClock {
    /** The duration for which both clocks must stay ahead of elapsed time before the difference is added. */
    static final Duration CONFIRMED_AFTER = Duration.ofMinutes(10);

    /**
     * The largest difference between the clocks and elapsed time that is added without confirmation. Clocks drift by
     * less than this difference even in several hours.
     */
    private static final Duration TOLERANCE = Duration.ofMinutes(1);

    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private @Nullable Start start;
    /** Whether the backend's clock has been measured since this process started. */
    private boolean measured;

    /**
     * The time on the ticker at which both clocks began to be ahead of elapsed time by more than {@link #TOLERANCE};
     * null while they are not that far ahead.
     */
    private @Nullable Long aheadSinceNanos;

    /**
     * A reading of this clock.
     *
     * @param certain the time without an unconfirmed jump of both clocks
     * @param possible the time including an unconfirmed jump of both clocks; equal to {@code certain} if there is no
     *     such jump
     * @param own the time on the agent's clock, minus an unconfirmed jump
     */
    record Age(Instant certain, Instant possible, Instant own) {
        LastSending asSending() {
            return new LastSending(own, certain);
        }
    }

    /**
     * The readings of all clocks at one moment: the agent's clock, the backend's clock (empty if that clock was never
     * measured), this clock and the ticker.
     */
    private record Start(Instant own, Optional<Instant> backend, Instant age, long nanos) {
        Instant byElapsedTime(long nowNanos) {
            return age.plusNanos(nowNanos - nanos);
        }

        Instant byClocks(Instant nowOwn, Optional<Instant> nowBackend, long nowNanos) {
            if (backend.isEmpty() || nowBackend.isEmpty()) {
                return age;
            }
            Instant ownStart = ownWentBack(nowOwn, nowNanos) ? backend.get() : own;
            return age.plus(
                    least(Duration.between(ownStart, nowOwn), Duration.between(backend.get(), nowBackend.get())));
        }

        /** Returns whether the agent's clock has fallen behind elapsed time by more than it can drift. */
        boolean ownWentBack(Instant nowOwn, long nowNanos) {
            return nowOwn.isBefore(own.plusNanos(nowNanos - nanos).minus(TOLERANCE));
        }
    }

    /**
     * @param lastSending the last sending that the outbox recorded before this process started; empty if the outbox had
     *     recorded no sending
     */
    AgeClock(InstantSource clock, LongSupplier nanoTicker, Optional<LastSending> lastSending) {
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.start = lastSending
                .map(last -> new Start(last.own(), Optional.of(last.age()), last.age(), nanoTicker.getAsLong()))
                .orElse(null);
    }

    /**
     * Returns the current time of this clock.
     *
     * @param backend the current time of the backend's clock; empty if that clock was never measured
     */
    Age now(Optional<Instant> backend) {
        Instant own = clock.instant();
        long nanos = nanoTicker.getAsLong();
        Start first = start;
        if (first == null) {
            first = new Start(own, backend, backend.orElse(own), nanos);
            start = first;
        }
        Instant byElapsedTime = first.byElapsedTime(nanos);
        Instant byClocks = first.byClocks(own, backend, nanos);
        Duration ahead = Duration.between(byElapsedTime, byClocks);
        if (ahead.compareTo(TOLERANCE) > 0) {
            if (aheadSinceNanos == null) {
                aheadSinceNanos = nanos;
            }
            if (nanos - aheadSinceNanos < CONFIRMED_AFTER.toNanos()) {
                return new Age(byElapsedTime, byClocks, own.minus(ahead));
            }
            first = new Start(own, backend, byClocks, nanos);
            start = first;
        }
        aheadSinceNanos = null;
        Instant age = byClocks.isAfter(byElapsedTime) ? byClocks : byElapsedTime;
        if (backend.isPresent() && (!measured || first.ownWentBack(own, nanos))) {
            measured = true;
            start = new Start(own, backend, age, nanos);
        }
        return new Age(age, age, own);
    }

    private static Duration least(Duration one, Duration other) {
        return one.compareTo(other) <= 0 ? one : other;
    }
}
