// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Why something was not done, in words for whoever asked, and as a {@link Reason} with its details for programs. */
public final class StateException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final Reason reason;
    private final transient Map<String, String> details;
    private final boolean isOutage;

    /** What callers tell apart. */
    public enum Reason {
        /** The transaction's time-out passed. */
        TX_EXPIRED,
        /** The transaction was committed before; details: {@code revision}. */
        TX_COMMITTED,
        /** The transaction was aborted before. */
        TX_ABORTED,
        /** No transaction of this instance. */
        TX_NOT_FOUND,
        /** A condition does not hold; details: {@code namespace}, {@code agent_id}, {@code key}, {@code expected}, {@code actual}. */
        VERSION_CONFLICT,
        /** A bad name, value or request. */
        INVALID,
        VALUE_TOO_LARGE,
        TX_TOO_LARGE,
        /** Too many transactions are open, or too much is staged or waits to be committed. */
        TOO_MANY_TX,
        /** Older than what is kept; details: {@code oldest_revision}. */
        COMPACTED,
        /** A token of another history, or a revision that is not there yet; details: {@code history_id}. */
        HISTORY_CHANGED,
        /** Less is free than must stay free. */
        DISK_FULL,
        /** The storage failed; whether a commit that gets this is there is not known. Details: {@code cause}, where it is known. */
        STORE_DOWN,
        /** Not open yet. */
        STARTING,
        /** Not with this storage. */
        UNIMPLEMENTED;

        /** The error of this reason, in words. */
        public StateException because(String message) {
            return because(message, Map.of());
        }

        /** The error of this reason, in words and with its details. */
        public StateException because(String message, Map<String, String> details) {
            return new StateException(this, message, details, null, this == STORE_DOWN);
        }
    }

    private StateException(
            Reason reason, String message, Map<String, String> details, @Nullable Throwable cause, boolean isOutage) {
        // what a caller did wrong needs no stack of ours
        super(message, cause, false, cause != null);
        this.reason = reason;
        this.details = Map.copyOf(details);
        this.isOutage = isOutage;
    }

    /** The storage failed. */
    public static StateException down(String message, Throwable cause) {
        return new StateException(Reason.STORE_DOWN, message, Map.of(), cause, true);
    }

    /** STORE_DOWN for one call that the storage gave up without any effect; it serves others. */
    public static StateException gaveUp(String message) {
        return new StateException(Reason.STORE_DOWN, message, Map.of(), null, false);
    }

    public Reason reason() {
        return reason;
    }

    /** Whether the storage failed as a whole, so that it has to be opened again. */
    public boolean isOutage() {
        return isOutage;
    }

    /** By the names that {@link Reason} gives. */
    public Map<String, String> details() {
        return details;
    }

    @Override
    public String getMessage() {
        return String.valueOf(super.getMessage());
    }
}
