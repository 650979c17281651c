// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.limit.Limits.Throttled;
import dev.flk.wal.DiskFullException;
import java.io.IOException;

/** What became of one submission. {@code http.OutcomeRenderer} alone turns it into a status code. */
public sealed interface Outcome {

    /** Calls the one case that applies; a new kind of outcome breaks every caller at compile time. */
    <R> R match(Cases<R> cases);

    /** One method per kind of outcome. */
    interface Cases<R> {
        R decided(Decided decided);

        R malformed(Malformed malformed);

        R badSignature(BadSignature badSignature);

        R rateLimited(RateLimited rateLimited);

        R logFailed(LogFailed logFailed);

        R unavailable(Unavailable unavailable);

        R broken(Broken broken);
    }

    /** How the stored outcome relates to this submission. */
    enum Relation {
        /** This submission was decided just now. */
        FIRST,
        /** The id had been decided with the same content. */
        DUPLICATE,
        /** The id had been decided with other content; the first outcome stands and this one is kept as evidence. */
        CONFLICT
    }

    /** Why a submission can't be taken just now. */
    enum Cause {
        STORE("dedup store unavailable"),
        /** The log met a full disk, or there is less left than must stay free. */
        DISK_FULL("disk full"),
        OVERLOADED("overloaded"),
        STARTING("starting"),
        /** Only for a look-up: the id is under way. */
        UNDECIDED("not decided yet");

        private final String error;

        Cause(String error) {
            this.error = error;
        }

        /** The error text of the contract. */
        public String error() {
            return error;
        }
    }

    /**
     * An outcome that is on disk and in the store.
     *
     * @param status 200 or 202
     * @param body the exact bytes of the answer; not to be changed
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

    /** A token bucket is empty (429). */
    record RateLimited(Throttled throttled) implements Outcome {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.rateLimited(this);
        }
    }

    /** The log could not be written or forced (500). */
    record LogFailed() implements Outcome {
        /** The answer to a submission whose append failed. */
        static Outcome of(IOException cause) {
            return cause instanceof DiskFullException ? Unavailable.DISK_FULL : new LogFailed();
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.logFailed(this);
        }
    }

    /** To be tried again later (503). */
    record Unavailable(Cause cause, long retryAfterSeconds) implements Outcome {
        static final Unavailable OVERLOADED = new Unavailable(Cause.OVERLOADED, 1);
        static final Unavailable DISK_FULL = new Unavailable(Cause.DISK_FULL, 10);

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.unavailable(this);
        }
    }

    /** The program is at fault (500); the log of the program says how. */
    record Broken() implements Outcome {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.broken(this);
        }
    }
}
