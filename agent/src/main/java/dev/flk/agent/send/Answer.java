// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

/** What the backend said of one certificate, as far as the agent must tell answers apart (contract of the wire, "agent does"). */
sealed interface Answer {

    /** Calls the one case that applies; a new kind of answer breaks every caller at compile time. */
    <R> R match(Cases<R> cases);

    /** Whether the certificate may have arrived all the same. */
    enum Reach {
        /** No connection came about. */
        NOT_SENT,
        /** It was sent, wholly or in part. */
        UNKNOWN
    }

    /** One method per kind of answer. */
    interface Cases<R> {
        R recorded(Recorded recorded);

        R conflict(Conflict conflict);

        R never(Never never);

        R inFuture(InFuture inFuture);

        R badSignature(BadSignature badSignature);

        R later(Later later);

        R outage(Outage outage);
    }

    /** 200 or 202 for this very certificate: it is on the backend's disk and its outcome is recorded. */
    record Recorded(int status) implements Answer {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.recorded(this);
        }
    }

    /** 200 or 202, but other content was recorded under the id before. */
    record Conflict(int status) implements Answer {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.conflict(this);
        }
    }

    /** 400 or 413: can never succeed. */
    record Never(int status, String error) implements Answer {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.never(this);
        }
    }

    /** 400 because {@code sent_at} lies ahead of the backend's clock. */
    record InFuture(String error) implements Answer {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.inFuture(this);
        }
    }

    /** 401 from the backend itself. */
    record BadSignature() implements Answer {
        @Override
        public <R> R match(Cases<R> cases) {
            return cases.badSignature(this);
        }
    }

    /**
     * 408, 429, 500 or 503 from the backend itself.
     *
     * @param atLeastSeconds the {@code Retry-After}, 0 where there is none
     */
    record Later(int status, String error, long atLeastSeconds) implements Answer {
        /** Whether it would have been said of any certificate: too many requests, or a backend that can't take any. */
        boolean concernsAll() {
            return status == 429 || status == 503;
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.later(this);
        }
    }

    /** Anything else: nobody answered, or somebody who is not the backend. */
    record Outage(String what, Reach reach) implements Answer {
        /** Where it is not known whether the certificate arrived. */
        Outage(String what) {
            this(what, Reach.UNKNOWN);
        }

        @Override
        public <R> R match(Cases<R> cases) {
            return cases.outage(this);
        }
    }
}
