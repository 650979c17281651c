// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.limit.Limits.Throttled;
import dev.flk.wal.files.DiskFullException;
import java.io.IOException;

/** The result of one submission or look-up. Only {@code http.OutcomeRenderer} turns it into a status code. */
public sealed interface Outcome {

    /** The relation of the stored outcome to this submission. */
    enum Relation {
        /** This submission was decided just now. */
        FIRST,
        /** The id had been decided with the same content. */
        DUPLICATE,
        /**
         * The id had been decided with different content. The first outcome remains, and this content is kept as
         * evidence.
         */
        CONFLICT
    }

    /** The reason for a refusal, with the error text of the contract. */
    enum Refusal {
        /** The body can never succeed (400); each rule has its own error text. */
        MALFORMED("malformed"),
        /** The signature is missing or wrong (401). */
        BAD_SIGNATURE("Signature verification failed"),
        /** A write or fsync of the log failed (500). */
        LOG_FAILED("log append failed"),
        /** A bug in the program (500); the program's log has the details. */
        BROKEN("internal error"),
        /** The store can't record or look up outcomes at the moment (503). */
        STORE_DOWN("dedup store unavailable"),
        /** The log hit a full disk, or less space is left than must stay free (503). */
        DISK_FULL("disk full"),
        /** A bound of memory or of work in flight is reached (503). */
        OVERLOADED("overloaded"),
        /** The log is being read after a start (503). */
        STARTING("starting"),
        /** The id of a look-up is in flight (503). */
        UNDECIDED("not decided yet");

        private final String error;

        Refusal(String error) {
            this.error = error;
        }
    }

    /**
     * An outcome that is on disk and in the store.
     *
     * @param status 200 or 202
     * @param body the exact bytes of the answer; must not be modified
     */
    record Decided(int status, byte[] body, Relation relation) implements Outcome {
        static Decided of(StoredOutcome stored, Relation relation) {
            return new Decided(stored.status(), stored.body(), relation);
        }
    }

    /** A submission beyond a rate limit (429). */
    record RateLimited(Throttled throttled) implements Outcome {}

    /**
     * A submission without an outcome.
     *
     * @param error the text for the sender
     * @param retryAfterSeconds when the sender may try again; 0 if the answer does not say so
     */
    record Refused(Refusal why, String error, long retryAfterSeconds) implements Outcome {
        public static final Refused BAD_SIGNATURE = new Refused(Refusal.BAD_SIGNATURE, 0);
        public static final Refused LOG_FAILED = new Refused(Refusal.LOG_FAILED, 0);
        public static final Refused BROKEN = new Refused(Refusal.BROKEN, 0);
        static final Refused OVERLOADED = new Refused(Refusal.OVERLOADED, 1);
        static final Refused DISK_FULL = new Refused(Refusal.DISK_FULL, 10);

        public Refused(Refusal why, long retryAfterSeconds) {
            this(why, why.error, retryAfterSeconds);
        }

        public static Refused malformed(String error) {
            return new Refused(Refusal.MALFORMED, error, 0);
        }

        /** Returns the answer to a submission whose append failed. */
        static Refused appendFailed(IOException cause) {
            return cause instanceof DiskFullException ? DISK_FULL : LOG_FAILED;
        }
    }
}
