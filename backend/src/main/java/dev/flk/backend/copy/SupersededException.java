// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.copy;

import dev.flk.wal.files.LockLostException;

/** Another backend owns the log, or the copy is not one of this log; a restart does not help. */
public final class SupersededException extends LockLostException {
    private static final long serialVersionUID = 1;

    /** Creates an exception; the message names the other backend and says what to do. */
    SupersededException(String message) {
        super(message);
    }
}
