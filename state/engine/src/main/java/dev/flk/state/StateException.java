// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The reason why a call failed, as a message for people and a {@link Reason} with details for programs. */
public final class StateException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final Reason reason;
    private final transient Map<String, String> details;
    private final boolean isOutage;

    /** The reasons that callers distinguish. */
    public enum Reason {
        /** The transaction has timed out. */
        TX_EXPIRED,
        /** The transaction was already committed; details: {@code revision}. */
        TX_COMMITTED,
        /** The transaction was already aborted, or its commit failed. */
        TX_ABORTED,
        /** This instance has no such transaction. */
        TX_NOT_FOUND,
        /**
         * A condition does not hold; details: {@code namespace}, {@code agent_id}, {@code key}, {@code expected},
         * {@code actual}.
         */
        VERSION_CONFLICT,
        /** A name, value or request is invalid; details: {@code path} if a value violates a schema. */
        INVALID,
        VALUE_TOO_LARGE,
        TX_TOO_LARGE,
        /** Too many transactions are open, too much is staged or queued for commit, or a read got no connection. */
        TOO_MANY_TX,
        /** The requested history is no longer retained; details: {@code oldest_revision}. */
        COMPACTED,
        /**
         * The history of a token, a replay or a transaction was replaced, or a revision does not exist; details: {@code
         * history_id}.
         */
        HISTORY_CHANGED,
        /**
         * The free disk space would fall below the configured minimum, or the disk of Postgres or a storage in memory
         * is full.
         */
        DISK_FULL,
        /**
         * The storage failed or abandoned the call. A commit that fails with this reason may nevertheless have taken
         * effect. Details: {@code cause}, if known.
         */
        STORE_DOWN,
        /** The storage is not open yet. */
        STARTING,
        /** This storage does not support the call. */
        UNIMPLEMENTED;

        /** Returns an exception for this reason with a message. */
        public StateException because(String message) {
            return because(message, Map.of());
        }

        /** Returns an exception for this reason with a message and details. */
        public StateException because(String message, Map<String, String> details) {
            return new StateException(this, message, details, null, this == STORE_DOWN);
        }
    }

    private StateException(
            Reason reason, String message, Map<String, String> details, @Nullable Throwable cause, boolean isOutage) {
        // without a cause, the message explains the error completely and a stack trace adds nothing
        super(message, cause, false, cause != null);
        this.reason = reason;
        this.details = Map.copyOf(details);
        this.isOutage = isOutage;
    }

    /** Returns STORE_DOWN for a storage that failed as a whole. */
    public static StateException down(String message, Throwable cause) {
        return new StateException(Reason.STORE_DOWN, message, Map.of(), cause, true);
    }

    /** Returns STORE_DOWN for a single call that the storage abandoned without any effect; other calls still work. */
    public static StateException gaveUp(String message) {
        return new StateException(Reason.STORE_DOWN, message, Map.of(), null, false);
    }

    public Reason reason() {
        return reason;
    }

    /** Returns whether the storage as a whole failed and must be opened again. */
    public boolean isOutage() {
        return isOutage;
    }

    /** Returns the details, by the names that {@link Reason} lists. */
    public Map<String, String> details() {
        return details;
    }

    @Override
    public String getMessage() {
        return String.valueOf(super.getMessage());
    }
}
