// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

/** The exception for a session request that was refused or got no answer. */
public class SessionCallException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final int status;

    SessionCallException(int status, String message) {
        super(message);
        this.status = status;
    }

    SessionCallException(String message, Throwable cause) {
        super(message, cause);
        this.status = 0;
    }

    /**
     * Returns the HTTP status of the answer; 0 if no answer came. If the status is 0 or 503, it is unknown whether an
     * update took effect.
     */
    public final int status() {
        return status;
    }

    /** The exception for an update of a session that does not have the required version. */
    public static final class ConcurrencyException extends SessionCallException {
        private static final long serialVersionUID = 1;

        private final long expected;
        private final long actual;

        ConcurrencyException(String id, long expected, long actual) {
            super(412, "session " + id + ": expected version " + expected + ", found " + actual);
            this.expected = expected;
            this.actual = actual;
        }

        /** Returns the version that the update requires; 0 if the session must not exist. */
        public long expected() {
            return expected;
        }

        /** Returns the newest version of the session, which may be a deletion; 0 if the session never existed. */
        public long actual() {
            return actual;
        }
    }
}
