// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

/** Why a signature was refused: the label {@code reason} of {@code flk_signature_refused_total}. Outside they look alike. */
public enum SignatureRefusal {
    /** There is none. */
    MISSING("missing"),
    /** By its length it was made with an algorithm that no key is for. */
    OTHER_ALGORITHM("other algorithm"),
    /** No key that is known has made it, or something was changed after signing. */
    UNKNOWN_KEY("unknown key"),
    /** The key may not sign for the shard. */
    FOREIGN_SHARD("foreign shard"),
    /** The key was revoked. */
    REVOKED("revoked"),
    /** The key's time has not come. */
    NOT_YET_VALID("not yet valid"),
    /** The key's time is over. */
    EXPIRED("expired"),
    /** There were too many to look into each. */
    NOT_EXAMINED("not examined");

    private final String label;

    SignatureRefusal(String label) {
        this.label = label;
    }

    /** As metrics and log lines have it. */
    public String label() {
        return label;
    }
}
