// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

/** The failure of a store that could not be queried or did not answer. */
public final class StoreUnavailableException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** Creates an exception for a failure that the store itself detected; the message names the store. */
    public StoreUnavailableException(String message) {
        super(message);
    }

    /** Creates an exception; the message names the store and describes the failure. */
    public StoreUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
