// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import java.io.PrintWriter;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** A bar on a terminal that tells how far a long command is; nothing where nobody looks. One thread. */
final class Progress {
    private static final int BAR = 30;
    private static final int STEPS_BETWEEN_LINES = 2_000;

    private final @Nullable PrintWriter terminal;
    private final long all;
    private long done;
    private int columns;

    /**
     * For so many steps.
     *
     * @param terminal that somebody looks at; null: nobody does
     */
    Progress(@Nullable PrintWriter terminal, long all) {
        this.terminal = terminal;
        this.all = Math.max(1, all);
    }

    /** One that shows nothing. */
    static Progress none() {
        return new Progress(null, 1);
    }

    /** One more step was done, of a kind that {@code what} names. */
    void step(String what) {
        if (terminal != null && done++ % STEPS_BETWEEN_LINES == 0) {
            // more may have come since the steps were counted
            double share = Math.min(1, (double) done / all);
            int full = (int) (share * BAR);
            write(String.format(
                    Locale.ROOT,
                    "%-9s [%s%s] %3.0f %%",
                    what,
                    "#".repeat(full),
                    " ".repeat(BAR - full),
                    Math.floor(share * 100)));
        }
    }

    /** Makes room for what is printed next. */
    void clear() {
        if (columns > 0) {
            write("");
        }
    }

    private void write(String text) {
        if (terminal != null) {
            terminal.print("\r" + text + " ".repeat(Math.max(0, columns - text.length())) + "\r");
            terminal.flush();
            columns = text.length();
        }
    }
}
