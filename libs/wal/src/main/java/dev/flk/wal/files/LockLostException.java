// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.files;

import java.io.IOException;
import java.nio.file.Path;

/**
 * The lock file of a log was removed or replaced while its owner was running, so that another process may own the log; or
 * a process no longer owns its log for another reason.
 */
public class LockLostException extends IOException {
    private static final long serialVersionUID = 1;

    /** Creates an exception for another reason why this process no longer owns its log. */
    public LockLostException(String message) {
        super(message);
    }

    /** Creates an exception for a lock file. */
    public LockLostException(Path file) {
        super(file
                + " or its directory was removed or replaced: another process may be writing this log, so this"
                + " process has stopped writing. Make sure that only one process uses the directory, then restart"
                + " this process");
    }
}
