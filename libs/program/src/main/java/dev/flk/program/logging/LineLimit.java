// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.logging;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * Limits repetitive log lines. For each kind of line, a burst of lines may be written, and then one line per interval.
 * A line that is written reports how many lines of its kind were left out before it. Safe for several threads.
 */
public final class LineLimit {
    private final int burst;
    private final long everyNanos;
    private final LongSupplier nanoTicker;
    private final Map<String, Kind> kinds = new HashMap<>();

    private static final class Kind {
        private int tokens;
        private long refilledNanos;
        private long leftOut;

        Kind(int tokens) {
            this.tokens = tokens;
        }
    }

    /**
     * @param burst the number of lines in a burst
     * @param every the interval between lines after a burst
     * @param nanoTicker monotonic time
     */
    public LineLimit(int burst, Duration every, LongSupplier nanoTicker) {
        this.burst = burst;
        this.everyNanos = every.toNanos();
        this.nanoTicker = nanoTicker;
    }

    /** Returns a limit for lines that are repeated during an outage: five lines, then one every ten minutes. */
    public static LineLimit ofOutages(LongSupplier nanoTicker) {
        return new LineLimit(5, Duration.ofMinutes(10), nanoTicker);
    }

    /**
     * Calls {@code line} now, or not at all if the limit is reached.
     *
     * @param kind the kind of line; there must be only a few kinds, because each is kept in memory
     * @param line a function that writes the line. Its argument must be appended to the line: a text with the number of
     *     omitted lines, or an empty text if no line was omitted
     */
    public void say(String kind, Consumer<String> line) {
        take(kind).ifPresent(leftOut -> line.accept(leftOut == 0 ? "" : "; " + leftOut + " such lines were omitted"));
    }

    /**
     * Allows a line to be written now and returns the number of lines that were left out before it; empty if the limit
     * is reached and the line must be left out.
     */
    public synchronized OptionalLong take(String kind) {
        Kind of = kinds.computeIfAbsent(kind, any -> new Kind(burst));
        refill(of);
        if (of.tokens == 0) {
            of.leftOut++;
            return OptionalLong.empty();
        }
        of.tokens--;
        long leftOut = of.leftOut;
        of.leftOut = 0;
        return OptionalLong.of(leftOut);
    }

    private void refill(Kind of) {
        long now = nanoTicker.getAsLong();
        if (of.tokens == burst) {
            of.refilledNanos = now;
        }
        long tokens = (now - of.refilledNanos) / everyNanos;
        of.tokens = (int) Math.min(burst, of.tokens + tokens);
        of.refilledNanos += tokens * everyNanos;
    }
}
