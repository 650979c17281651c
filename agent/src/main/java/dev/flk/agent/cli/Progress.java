// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import java.io.PrintStream;
import picocli.CommandLine;

/** A line on a terminal that tells how far a long command is; nothing where nobody looks. One thread. */
final class Progress {
    private final PrintStream err;
    private final boolean terminal = CommandLine.Help.Ansi.AUTO.enabled();
    private boolean shown;

    Progress(PrintStream err) {
        this.err = err;
    }

    void show(long added) {
        if (terminal) {
            err.print("\r" + added + " certificates added ");
            err.flush();
            shown = true;
        }
    }

    /** Makes room for another line. */
    void clear() {
        if (shown) {
            err.print("\r" + " ".repeat(60) + "\r");
            err.flush();
            shown = false;
        }
    }
}
