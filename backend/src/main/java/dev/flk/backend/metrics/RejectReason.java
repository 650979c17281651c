// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

/** Why a submission was not accepted: the label {@code reason} of {@code flk_rejected_total}. */
public enum RejectReason {
    /** Answered 400: no certificate, or one that breaks a rule of the format. */
    MALFORMED("malformed"),
    /** Answered 400: {@code sent_at} too far in the future. */
    CLOCK("clock"),
    /** Answered 401. */
    SIGNATURE("signature"),
    /** Answered 413. */
    TOO_LARGE("too_large"),
    /** Answered 408: the body came too slowly. */
    SLOW("slow"),
    /** Answered 202 after verification rejected it. */
    VERIFICATION("verification");

    private final String label;

    RejectReason(String label) {
        this.label = label;
    }

    String label() {
        return label;
    }
}
