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
 * a certificate old by a jump. Owned by the sender's thread.
 */
final class AgeClock {
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final Optional<LastSending> lastSending;
    private @Nullable Start start;

    /** All clocks at the same moment, the first at which the backend's was known. */
    private record Start(Instant own, Instant backend, Instant age, long nanos) {}

    /** @param lastSending the last that the outbox noted before this process */
    AgeClock(InstantSource clock, LongSupplier nanoTicker, Optional<LastSending> lastSending) {
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.lastSending = lastSending;
    }

    /**
     * Returns the time now.
     *
     * @param offset how far the backend's clock is ahead of the agent's
     */
    Instant now(Duration offset) {
        Instant own = clock.instant();
        Instant backend = own.plus(offset);
        long nanos = nanoTicker.getAsLong();
        Start first = start;
        if (first == null) {
            first = new Start(own, backend, atStart(own, backend), nanos);
            start = first;
        }
        Duration elapsed = Duration.ofNanos(nanos - first.nanos());
        Duration confirmed = least(Duration.between(first.own(), own), Duration.between(first.backend(), backend));
        return first.age().plus(most(elapsed, confirmed));
    }

    private Instant atStart(Instant own, Instant backend) {
        if (lastSending.isEmpty()) {
            return backend;
        }
        Instant age = lastSending.get().age();
        Duration byOwn = Duration.between(lastSending.get().own(), own);
        Duration byBackend = Duration.between(age, backend);
        // a clock that went back says nothing about the time that has passed
        Duration passed =
                byOwn.isNegative() || byBackend.isNegative() ? most(byOwn, byBackend) : least(byOwn, byBackend);
        return age.plus(most(Duration.ZERO, passed));
    }

    private static Duration least(Duration one, Duration other) {
        return one.compareTo(other) <= 0 ? one : other;
    }

    private static Duration most(Duration one, Duration other) {
        return one.compareTo(other) >= 0 ? one : other;
    }
}
