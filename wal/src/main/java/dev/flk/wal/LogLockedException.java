// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.IOException;
import java.nio.file.Path;

/** Another process owns the log directory. */
public final class LogLockedException extends IOException {
    private static final long serialVersionUID = 1;

    private final String holder;

    /** Names the lock file and who holds it. */
    public LogLockedException(Path lockFile, String holder) {
        super(lockFile.getParent() + " is in use by " + holder + "; stop it, or use another directory");
        this.holder = holder;
    }

    /** Who holds it, as it wrote itself into the lock file. */
    public String holder() {
        return holder;
    }
}
