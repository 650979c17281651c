// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Whether standard error is a terminal. The JDK tells only whether input and output both are a terminal, which says nothing of standard error. */
public final class Terminal {
    private static final Path STANDARD_ERROR = Path.of("/proc/self/fd/2");

    private Terminal() {}

    /** Whether standard error is a terminal that can rewrite a line; false where the system does not tell. */
    public static boolean isStandardError(String term) {
        try {
            return !term.equals("dumb")
                    && isTerminal(Files.readSymbolicLink(STANDARD_ERROR).toString());
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    static boolean isTerminal(String device) {
        return device.matches("/dev/(pts/\\d+|tty\\w*|console)");
    }

    /** A line on a terminal, written over again and again; nothing where nobody looks. One thread. */
    public static final class RewrittenLine {
        private final @Nullable Consumer<String> terminal;
        private int columns;

        /** @param terminal prints without an end of line, and flushes; null: nobody looks */
        public RewrittenLine(@Nullable Consumer<String> terminal) {
            this.terminal = terminal;
        }

        /** Whether standard error is a terminal. */
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
}
