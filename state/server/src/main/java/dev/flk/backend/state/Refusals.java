// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.program.logging.LineLimit;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The reports of refusals: a limited number of log lines, and a description of the latest refusal for a few seconds.
 */
final class Refusals {
    /** The time for which {@link #latest} reports a refusal. */
    private static final long REPORTED_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final LongSupplier nanoTicker;
    private final LineLimit lines;
    private volatile @Nullable Refused last;

    /** @param until the time on the ticker until which the refusal is reported */
    private record Refused(String what, long until) {}

    /** @param nanoTicker monotonic time */
    Refusals(LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
        this.lines = LineLimit.ofOutages(nanoTicker);
    }

    /**
     * Reports a refusal.
     *
     * @param cause the kind of log line; the number of lines of each kind is limited
     * @param what a description that strangers may read
     * @param line a callback that writes the log line; it receives a text to append to the line
     */
    void report(String cause, String what, Consumer<String> line) {
        last = new Refused(what, nanoTicker.getAsLong() + REPORTED_NANOS);
        lines.say(cause, line);
    }

    /** Returns the description of the latest refusal; empty if nothing was refused in the last seconds. */
    Optional<String> latest() {
        Refused refused = last;
        return refused == null || refused.until() - nanoTicker.getAsLong() <= 0
                ? Optional.empty()
                : Optional.of(refused.what());
    }
}
