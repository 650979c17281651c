// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

/**
 * The result of submitting one certificate, as far as the agent's next action depends on it.
 *
 * @param status the status of the backend's answer; 0 for an outage
 * @param text the backend's error, or what happened instead of an answer; for a recorded certificate, the reason of its
 *     outcome
 * @param retryAfterSeconds the {@code Retry-After} of {@link Kind#LATER}, else 0
 */
record SubmitResult(Kind kind, int status, String text, long retryAfterSeconds) {
    /** The kind of a result, which determines the agent's next action. */
    enum Kind {
        /** 200 or 202 for this very certificate: it is on the backend's disk, and accepted or escalated. */
        RECORDED,
        /** 202 for this very certificate: it is on the backend's disk, and rejected. */
        REJECTED,
        /** 200 or 202, but other content was recorded under the id before. */
        CONFLICT,
        /** 400 or 413: can never succeed. */
        NEVER,
        /** 400 because {@code sent_at} is ahead of the backend's clock. */
        IN_FUTURE,
        /** 401 from the backend itself. */
        BAD_SIGNATURE,
        /** 408, 429, 500 or 503 from the backend itself. */
        LATER,
        /** No connection was made: the certificate did not arrive. */
        NOT_SENT,
        /** No answer, or not the backend's: the certificate may have arrived. */
        NO_ANSWER
    }

    SubmitResult(Kind kind, int status, String text) {
        this(kind, status, text, 0);
    }

    static SubmitResult noAnswer(String what) {
        return new SubmitResult(Kind.NO_ANSWER, 0, what);
    }

    /** Returns whether the certificate is on the backend's disk with this content. */
    boolean isRecorded() {
        return kind == Kind.RECORDED || kind == Kind.REJECTED;
    }

    /** Returns the decision on a recorded certificate. */
    Settlement.Kind verdict() {
        return kind == Kind.REJECTED
                ? Settlement.Kind.REJECTED
                : status == 200 ? Settlement.Kind.ACCEPTED : Settlement.Kind.ESCALATED;
    }

    /** Returns whether no answer came, or one that is not from the backend. */
    boolean isOutage() {
        return kind == Kind.NOT_SENT || kind == Kind.NO_ANSWER;
    }

    /**
     * Returns whether any certificate would have got this answer: too many requests, or a backend that cannot accept
     * any.
     */
    boolean concernsAll() {
        return kind == Kind.LATER && (status == 429 || status == 503);
    }
}
