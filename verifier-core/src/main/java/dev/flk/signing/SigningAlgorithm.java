// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

/** The algorithms that can be configured. */
public enum SigningAlgorithm {
    HMAC("hmac", "HMAC-SHA256"),
    ED25519("ed25519", "Ed25519");

    private final String configName;
    private final String displayName;

    SigningAlgorithm(String configName, String displayName) {
        this.configName = configName;
        this.displayName = displayName;
    }

    /** As {@code PCS_SIGN_ALG} has it. */
    public String configName() {
        return configName;
    }

    /** As people call it. */
    public String displayName() {
        return displayName;
    }
}
