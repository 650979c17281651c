// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

/**
 * The reason for a refused signature, and the value of the label {@code reason} of {@code flk_signature_refused_total}.
 * Clients do not see the reason.
 */
public enum SignatureRefusal {
    /** The certificate or the request has no signature. */
    MISSING("missing"),
    /** The signature has the length of an algorithm for which no key is configured. */
    OTHER_ALGORITHM("other algorithm"),
    /** No known key made the signature, or the certificate or the request was changed after signing. */
    UNKNOWN_KEY("unknown key"),
    /** The key may not sign for the shard of the certificate, or for the session of the request. */
    FOREIGN_SHARD("foreign shard"),
    /** The key was revoked. */
    REVOKED("revoked"),
    /** The key is not valid yet. */
    NOT_YET_VALID("not yet valid"),
    /** The key is no longer valid. */
    EXPIRED("expired"),
    /** The signature was not examined, because too many refusals were waiting or the signed text is too long. */
    NOT_EXAMINED("not examined");

    private final String label;

    SignatureRefusal(String label) {
        this.label = label;
    }

    /** Returns the reason as metrics and log lines show it. */
    public String label() {
        return label;
    }
}
