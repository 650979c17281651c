// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

/**
 * The exception for a request without a signature that {@link SignedRequest} accepts. The message is one sentence for
 * the client. It quotes at most a name from the signature, never a value.
 */
public final class UnacceptableRequest extends Exception {
    private final Reason reason;

    /** The rule that a request breaks. */
    public enum Reason {
        /** The request has no signature. */
        MISSING,
        /** The method, the target, the signature or a header is malformed, too long, or occurs more than once. */
        MALFORMED,
        /**
         * The signature has a component or parameter that may be valid elsewhere, but not in this profile, or {@code
         * Content-Digest} has no digest of a known algorithm.
         */
        UNSUPPORTED,
        /** The signature does not cover a component that it must cover. */
        NOT_COVERED,
        /** The signature covers a component that the request does not have. */
        COMPONENT_MISSING,
        /** The body does not have the digest in {@code Content-Digest}. */
        DIGEST_MISMATCH,
        /**
         * The signature was made with an unknown algorithm, or with an algorithm other than the one that {@code alg}
         * names.
         */
        OTHER_ALGORITHM
    }

    UnacceptableRequest(Reason reason, String message) {
        super(message);
        this.reason = reason;
    }

    /** Returns the rule that the request breaks. */
    public Reason reason() {
        return reason;
    }

    /**
     * Does nothing. Stack traces would be costly, because unauthenticated clients can cause these exceptions at will.
     */
    @Override
    public synchronized Throwable fillInStackTrace() {
        return this;
    }
}
