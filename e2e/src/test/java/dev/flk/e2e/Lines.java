// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;

/** The lines that a program has printed so far. Safe for any thread. */
final class Lines {
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private final List<String> lines = new ArrayList<>();

    synchronized void add(String line) {
        lines.add(line);
        notifyAll();
    }

    /** Returns all lines as one text. */
    synchronized String all() {
        return String.join("\n", lines);
    }

    /**
     * Blocks until the program has printed a matching line, and returns the line. Lines printed before the call count.
     *
     * @param isOver whether the program can't print more lines
     */
    synchronized String await(Predicate<String> wanted, BooleanSupplier isOver) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        int seen = 0;
        while (true) {
            boolean isLast = isOver.getAsBoolean();
            for (; seen < lines.size(); seen++) {
                if (wanted.test(lines.get(seen))) {
                    return lines.get(seen);
                }
            }
            long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
            if (left <= 0 || isLast) {
                throw new AssertionError("the line that was awaited was not printed, but\n" + all());
            }
            try {
                wait(Math.min(left, 200));
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
    }
}
