// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

/** A store could not be asked, or did not answer. */
public final class StoreUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** Says which store, and what happened; found by the store itself. */
    public StoreUnavailableException(String message) {
        super(message);
    }

    /** Says which store, and what happened. */
    public StoreUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
