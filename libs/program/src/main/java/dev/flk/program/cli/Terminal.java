// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Detects whether standard error is a terminal. The JDK does not report this; it only reports whether standard input
 * and standard output both are terminals.
 */
public final class Terminal {
    private static final Path STANDARD_ERROR = Path.of("/proc/self/fd/2");

    private Terminal() {}

    /**
     * Returns whether standard error is a terminal on which a line can be overwritten; false if the system does not
     * provide this information.
     *
     * @param term the value of the environment variable {@code TERM}
     */
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

    /** A line that is repeatedly overwritten on a terminal. Without a terminal, nothing is printed. Not thread-safe. */
    public static final class RewrittenLine {
        private final @Nullable Consumer<String> terminal;
        private int columns;

        /** @param terminal a function that prints text without a line end and flushes; null if there is no terminal */
        public RewrittenLine(@Nullable Consumer<String> terminal) {
            this.terminal = terminal;
        }

        /** Returns whether the line is displayed on a terminal. */
        public boolean isSeen() {
            return terminal != null;
        }

        /**
         * Shows a text in place of the previous one. The cursor returns to the left margin, so that the next output
         * overwrites the text.
         */
        public void show(String text) {
            if (terminal != null) {
                String line = Printable.of(text);
                terminal.accept("\r" + line + " ".repeat(Math.max(0, columns - line.length())) + "\r");
                columns = line.length();
            }
        }

        /** Erases the line, so that other output can take its place. */
        public void clear() {
            if (columns > 0) {
                show("");
            }
        }
    }
}
