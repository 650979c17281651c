// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

/**
 * The result of submitting one certificate, with the parts of the answer that determine the agent's next action.
 *
 * @param status the status of the answer; 0 for {@link Kind#NOT_SENT} and {@link Kind#NO_ANSWER}
 * @param text the reason of the outcome for a recorded certificate; a description of what happened if no answer came or
 *     the answer is not provably the backend's; empty for a conflict or a rejected signature; otherwise, the error in
 *     the backend's answer
 * @param retryAfterSeconds the {@code Retry-After} of the answer, at most an hour; 0 if the kind is neither {@link
 *     Kind#LATER} nor {@link Kind#NO_ANSWER}, or the answer has no valid {@code Retry-After}
 */
record SubmitResult(Kind kind, int status, String text, long retryAfterSeconds) {
    /** The kind of a result, which determines the agent's next action. */
    enum Kind {
        /**
         * 200 or 202 with the id of this certificate: the certificate is on the backend's disk, and was accepted or
         * escalated.
         */
        RECORDED,
        /** 202 with the id of this certificate: the certificate is on the backend's disk, and was rejected. */
        REJECTED,
        /** 200 or 202, but the backend has recorded different content under this id before. */
        CONFLICT,
        /** 400 or 413 with the mark of this certificate's bytes: the backend would never accept the certificate. */
        NEVER,
        /**
         * 400, 413 or another 4xx that concerns the request's body, but without the mark: perhaps a proxy has answered,
         * or has changed the body.
         */
        UNPROVEN,
        /**
         * 404, 405, 407, 415, or a 401 that is not in the form of the backend's answers: perhaps a proxy refuses this
         * certificate, or every one, because the path or the agent's access is wrong. {@link BackendLink#concernsOne}
         * tells the two apart: the result becomes {@link #UNPROVEN}, or remains an outage.
         */
        FOREIGN,
        /** 400 because {@code sent_at} is ahead of the backend's clock. */
        IN_FUTURE,
        /** 401 in the form of the backend's answers, with the mark: the signature was rejected. */
        BAD_SIGNATURE,
        /** 401 in the form of the backend's answers, but without the mark. */
        UNPROVEN_SIGNATURE,
        /** 408, 429, 500 or 503 in the form of the backend's answers: the certificate must be sent again. */
        LATER,
        /** No connection was made: the certificate did not arrive. */
        NOT_SENT,
        /** No answer came, or the answer is not the backend's: the certificate may have arrived. */
        NO_ANSWER
    }

    /** The text of the backend's 503 for a signature that other backends may accept. */
    static final String KEYS_OUTDATED = "keys are being updated on this backend";

    SubmitResult(Kind kind, int status, String text) {
        this(kind, status, text, 0);
    }

    /** Returns this result of a foreign answer, if the answer concerns only this certificate. */
    SubmitResult unproven() {
        return new SubmitResult(Kind.UNPROVEN, status, text);
    }

    static SubmitResult noAnswer(String what) {
        return new SubmitResult(Kind.NO_ANSWER, 0, what);
    }

    /** Returns whether the certificate is on the backend's disk with this content. */
    boolean isRecorded() {
        return kind == Kind.RECORDED || kind == Kind.REJECTED;
    }

    /** Returns the backend's decision on the certificate. Valid only if {@link #isRecorded} returns true. */
    Settlement.Kind verdict() {
        return kind == Kind.REJECTED
                ? Settlement.Kind.REJECTED
                : status == 200 ? Settlement.Kind.ACCEPTED : Settlement.Kind.ESCALATED;
    }

    /** Returns whether no answer came, or the answer was not the backend's. */
    boolean isOutage() {
        return kind == Kind.NOT_SENT || kind == Kind.NO_ANSWER || kind == Kind.FOREIGN;
    }

    /**
     * Returns whether the answer concerns all certificates, not only this one: 429 (too many requests) or 503 (the
     * backend can accept nothing), except the 503 that stands for a refused signature while keys are rolled out.
     */
    boolean concernsAll() {
        return kind == Kind.LATER && (status == 429 || (status == 503 && !text.equals(KEYS_OUTDATED)));
    }
}
