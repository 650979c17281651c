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
 * The clock that {@code MAX_AGE} is measured on. It starts with the backend's time and advances with elapsed time. Time
 * in which the machine slept or the agent did not run counts only as far as both the agent's clock and the backend's
 * clock confirm it, and go on confirming it for {@link #CONFIRMED_AFTER}: a jump of one clock, or a short one of both,
 * does not make a certificate old. Without a measurement of the backend's clock, only elapsed time counts. Owned by the
 * sender's thread.
 */
final class AgeClock {
    /** The time for which both clocks must confirm that more time has passed than this process has seen. */
    static final Duration CONFIRMED_AFTER = Duration.ofMinutes(10);

    /** The difference between the clocks and elapsed time that needs no confirmation; more than clocks drift in hours. */
    private static final Duration TOLERANCE = Duration.ofMinutes(1);

    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private @Nullable Start start;
    /** Whether the backend's clock was measured in this process. */
    private boolean measured;

    /** The ticker when the clocks began to confirm more than elapsed time; null while they do not. */
    private @Nullable Long aheadSinceNanos;

    /**
     * A reading of this clock.
     *
     * @param certain the time that has passed for certain
     * @param possible the time according to the agent's and the backend's clock, which may both be wrong; equal to
     *     {@code certain} unless a jump of both is unconfirmed
     * @param own the agent's clock, without an unconfirmed jump
     */
    record Age(Instant certain, Instant possible, Instant own) {
        LastSending asSending() {
            return new LastSending(own, certain);
        }
    }

    /** The readings of all clocks at one moment; {@code backend} is empty if the backend's clock was never measured. */
    private record Start(Instant own, Optional<Instant> backend, Instant age, long nanos) {
        Instant byElapsedTime(long nowNanos) {
            return age.plusNanos(nowNanos - nanos);
        }

        Instant byClocks(Instant nowOwn, Optional<Instant> nowBackend) {
            if (backend.isEmpty() || nowBackend.isEmpty()) {
                return age;
            }
            return age.plus(least(Duration.between(own, nowOwn), Duration.between(backend.get(), nowBackend.get())));
        }
    }

    /** @param lastSending the last sending that the outbox noted before this process started */
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
        Instant byClocks = first.byClocks(own, backend);
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
        if (!measured && backend.isPresent()) {
            measured = true;
            start = new Start(own, backend, age, nanos);
        }
        return new Age(age, age, own);
    }

    private static Duration least(Duration one, Duration other) {
        return one.compareTo(other) <= 0 ? one : other;
    }
}
