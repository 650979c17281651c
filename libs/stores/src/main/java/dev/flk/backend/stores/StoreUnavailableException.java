// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores;

/**
 * The failure of a call to a store. The store could not be reached, did not answer in time, reported an error, or
 * contains invalid data.
 */
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
