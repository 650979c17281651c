// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.limit.Limits.Throttled;
import dev.flk.wal.files.DiskFullException;
import java.io.IOException;

/** The result of one submission. Only {@code http.OutcomeRenderer} turns it into a status code. */
public sealed interface Outcome {

    /** Calls the matching case. A new kind of outcome breaks every caller at compile time. */
    <R> R match(Cases<R> cases);

    /** One method for each kind of outcome. */
    interface Cases<R> {
        R decided(Decided decided);

        R malformed(Malformed malformed);

        R badSignature(BadSignature badSignature);

        R rateLimited(RateLimited rateLimited);

        R logFailed(LogFailed logFailed);

        R unavailable(Unavailable unavailable);

        R broken(Broken broken);
    }

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

    /** The reason why a submission can't be accepted at the moment. */
    enum Cause {
        STORE("dedup store unavailable"),
        /** The log hit a full disk, or less space is left than must stay free. */
        DISK_FULL("disk full"),
        OVERLOADED("overloaded"),
        STARTING("starting"),
        /** Only for a look-up: the id is in flight. */
        UNDECIDED("not decided yet");

        private final String error;

        Cause(String error) {
            this.error = error;
        }

        /** Returns the error text of the contract. */
        public String error() {
            return error;
        }
    }

    /**
     * An outcome that is on disk and in the store.
     *
     * @param status 200 or 202
     * @param body the exact bytes of the answer; must not be modified
     */
    record Decided(int status, byte[] body, Relation relation) implements Outcome {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.decided(this);
        }
    }

    /** A body that can never succeed (400). */
    record Malformed(String error) implements Outcome {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.malformed(this);
        }
    }

    /** A missing or wrong signature (401). */
    record BadSignature() implements Outcome {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.badSignature(this);
        }
    }

    /** An empty token bucket (429). */
    record RateLimited(Throttled throttled) implements Outcome {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.rateLimited(this);
        }
    }

    /** A failed write or fsync of the log (500). */
    record LogFailed() implements Outcome {
        /** Returns the answer to a submission whose append failed. */
        static Outcome of(IOException cause) {
            return cause instanceof DiskFullException ? Unavailable.DISK_FULL : new LogFailed();
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.logFailed(this);
        }
    }

    /** A temporary failure; the sender may retry later (503). */
    record Unavailable(Cause cause, long retryAfterSeconds) implements Outcome {
        static final Unavailable OVERLOADED = new Unavailable(Cause.OVERLOADED, 1);
        static final Unavailable DISK_FULL = new Unavailable(Cause.DISK_FULL, 10);

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.unavailable(this);
        }
    }

    /** A bug in the program (500); the program's log has the details. */
    record Broken() implements Outcome {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.broken(this);
        }
    }
}
