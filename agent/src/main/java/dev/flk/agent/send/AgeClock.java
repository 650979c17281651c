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
 * The clock that {@code MAX_AGE} is measured on. It starts with the backend's time and advances with elapsed time. Time in which the
 * machine slept or the agent did not run counts as far as both the agent's clock and the backend's confirm it: neither of them makes
 * a certificate old by a jump. Without a measurement of the backend's clock, only elapsed time counts. Owned by the sender's thread.
 */
final class AgeClock {
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private @Nullable Start start;
    /** Whether the backend's clock was measured in this process. */
    private boolean measured;

    /** All clocks at the same moment; the backend's is empty if it was never measured. */
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

    /** @param lastSending the last that the outbox noted before this process */
    AgeClock(InstantSource clock, LongSupplier nanoTicker, Optional<LastSending> lastSending) {
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.start = lastSending
                .map(last -> new Start(last.own(), Optional.of(last.age()), last.age(), nanoTicker.getAsLong()))
                .orElse(null);
    }

    /**
     * Returns the time now.
     *
     * @param backend the time of the backend's clock; empty if it was never measured
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
