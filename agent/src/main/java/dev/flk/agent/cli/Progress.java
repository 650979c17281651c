// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import java.io.PrintStream;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;

/** A line on a terminal, written over again and again, that tells how far a long command is; nothing where nobody looks. One thread. */
final class Progress {
    private final Optional<PrintStream> terminal;
    private final OptionalLong all;
    private int columns;

    /** On the terminal that somebody looks at, with how many there are, where that is known. */
    Progress(Optional<PrintStream> terminal, OptionalLong all) {
        this.terminal = terminal;
        this.all = all;
    }

    void show(long added) {
        String of = all.isPresent() ? " of " + number(all.getAsLong()) : "";
        write(number(added) + of + " certificates added");
    }

    /** Makes room for another line. */
    void clear() {
        if (columns > 0) {
            write("");
        }
    }

    /** Overwrites what is left of a longer text; the cursor goes back, so that whatever is written next begins at the left. */
    private void write(String text) {
        terminal.ifPresent(at -> {
            at.print("\r" + text + " ".repeat(Math.max(0, columns - text.length())) + "\r");
            at.flush();
            columns = text.length();
        });
    }

    private static String number(long count) {
        return String.format(Locale.ROOT, "%,d", count);
    }
}
