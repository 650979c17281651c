// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A line on a terminal, written over again and again; nothing where nobody looks. One thread. */
public final class RewrittenLine {
    private final @Nullable Consumer<String> terminal;
    private int columns;

    /** @param terminal prints without an end of line, and flushes; null: nobody looks */
    public RewrittenLine(@Nullable Consumer<String> terminal) {
        this.terminal = terminal;
    }

    /** Whether somebody looks. */
    public boolean isSeen() {
        return terminal != null;
    }

    /** Overwrites what is left of a longer text; the cursor goes back, so that whatever is written next begins at the left. */
    public void show(String text) {
        if (terminal != null) {
            terminal.accept("\r" + text + " ".repeat(Math.max(0, columns - text.length())) + "\r");
            columns = text.length();
        }
    }

    /** Makes room for another line. */
    public void clear() {
        if (columns > 0) {
            show("");
        }
    }
}
