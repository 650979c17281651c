// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.logging;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * Keeps lines that may come again and again, as long as an outage lasts, from flooding the log: of each kind {@value #BURST}
 * in a row, then one every ten minutes, which says how many were left out. Safe for several threads.
 */
public final class LineLimit {
    private static final int BURST = 5;
    private static final long EVERY_NANOS = Duration.ofMinutes(10).toNanos();

    private final LongSupplier nanoTicker;
    private final Map<String, Kind> kinds = new HashMap<>();

    private static final class Kind {
        private int tokens = BURST;
        private long refilledNanos;
        private long leftOut;
    }

    /** With a ticker that never goes back. */
    public LineLimit(LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
    }

    /**
     * Calls {@code line} now or not at all.
     *
     * @param kind one of a handful: each is remembered
     * @param line writes the line; given what to put at its end, mostly nothing
     */
    public void say(String kind, Consumer<String> line) {
        long leftOut;
        synchronized (this) {
            Kind of = kinds.computeIfAbsent(kind, any -> new Kind());
            refill(of);
            if (of.tokens == 0) {
                of.leftOut++;
                return;
            }
            of.tokens--;
            leftOut = of.leftOut;
            of.leftOut = 0;
        }
        line.accept(leftOut == 0 ? "" : "; " + leftOut + " such lines were left out");
    }

    private void refill(Kind of) {
        long now = nanoTicker.getAsLong();
        if (of.tokens == BURST) {
            of.refilledNanos = now;
        }
        long tokens = (now - of.refilledNanos) / EVERY_NANOS;
        of.tokens = (int) Math.min(BURST, of.tokens + tokens);
        of.refilledNanos += tokens * EVERY_NANOS;
    }
}
