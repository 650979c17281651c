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
 * The clock on which {@code MAX_AGE} is measured. It starts with the backend's time and advances with elapsed time.
 * Elapsed time does not include the time during which the machine slept or the agent did not run. That time is added
 * only after both the agent's clock and the backend's clock have shown it for {@link #CONFIRMED_AFTER}. A jump of one
 * clock, or a temporary jump of both, therefore does not make a certificate old. If the backend's clock was never
 * measured, only elapsed time counts. Owned by the sender's thread.
 */
final class AgeClock {
    /** The duration for which both clocks must stay ahead of elapsed time before the difference is added. */
    static final Duration CONFIRMED_AFTER = Duration.ofMinutes(10);

    /**
     * The largest difference between the clocks and elapsed time that is added without confirmation. Clocks drift less
     * than this in hours.
     */
    private static final Duration TOLERANCE = Duration.ofMinutes(1);

    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private @Nullable Start start;
    /** Whether the backend's clock was measured in this process. */
    private boolean measured;

    /** The time on the ticker at which both clocks began to be ahead of elapsed time; null while they are not. */
    private @Nullable Long aheadSinceNanos;

    /**
     * A reading of this clock.
     *
     * @param certain the time if an unconfirmed jump of both clocks is not counted
     * @param possible the time if that jump is counted; equal to {@code certain} if there is no unconfirmed jump
     * @param own the time on the agent's clock, without the unconfirmed jump
     */
    record Age(Instant certain, Instant possible, Instant own) {
        LastSending asSending() {
            return new LastSending(own, certain);
        }
    }

    /**
     * The readings of all clocks at one moment: the agent's own, the backend's (empty if it was never measured), this
     * clock and the ticker.
     */
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

    /**
     * @param lastSending the last sending that the outbox recorded before this process started; empty if there was none
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
