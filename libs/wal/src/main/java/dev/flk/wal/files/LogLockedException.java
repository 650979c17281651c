// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.files;

import java.io.IOException;
import java.nio.file.Path;

/** This or another process owns the log directory. */
public final class LogLockedException extends IOException {
    private static final long serialVersionUID = 1;

    private final String holder;

    /** Creates an exception for a lock file and its holder. */
    public LogLockedException(Path lockFile, String holder) {
        super(lockFile.getParent() + " is in use by " + holder + "; stop it, or use another directory");
        this.holder = holder;
    }

    /** Returns the process that holds the lock, as recorded in the lock file. */
    public String holder() {
        return holder;
    }
}
