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
 * clock confirm it, so that a jump of one clock does not make a certificate old. Without a measurement of the backend's
 * clock, only elapsed time counts. Owned by the sender's thread.
 */
final class AgeClock {
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private @Nullable Start start;
    /** Whether the backend's clock was measured in this process. */
    private boolean measured;

    /** The readings of all clocks at one moment; {@code backend} is empty if the backend's clock was never measured. */
    private record Start(Instant own, Optional<Instant> backend, Instant age, long nanos) {
        Instant age(Instant nowOwn, Optional<Instant> nowBackend, long nowNanos) {
            Duration elapsed = Duration.ofNanos(nowNanos - nanos);
            if (backend.isEmpty() || nowBackend.isEmpty()) {
                return age.plus(elapsed);
            }
            Duration confirmed =
                    least(Duration.between(own, nowOwn), Duration.between(backend.get(), nowBackend.get()));
            return age.plus(most(elapsed, confirmed));
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
    Instant now(Optional<Instant> backend) {
        Instant own = clock.instant();
        long nanos = nanoTicker.getAsLong();
        Start first = start;
        if (first == null) {
            first = new Start(own, backend, backend.orElse(own), nanos);
            start = first;
        }
        Instant age = first.age(own, backend, nanos);
        if (!measured && backend.isPresent()) {
            measured = true;
            start = new Start(own, backend, age, nanos);
        }
        return age;
    }

    private static Duration least(Duration one, Duration other) {
        return one.compareTo(other) <= 0 ? one : other;
    }

    private static Duration most(Duration one, Duration other) {
        return one.compareTo(other) >= 0 ? one : other;
    }
}
