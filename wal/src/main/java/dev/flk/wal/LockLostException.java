// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.IOException;
import java.nio.file.Path;

/** The lock file of a log was removed or replaced while its owner ran: another process may own the log by now. */
public final class LockLostException extends IOException {
    private static final long serialVersionUID = 1;

    /** A lost lock file. */
    public LockLostException(Path file) {
        super(
                file
                        + " was removed or replaced, or its directory was: another process may be writing this log, so that"
                        + " this one writes nothing more. Make sure that only one process uses the directory, and start it again");
    }
}
