// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The signature algorithms that {@code PCS_SIGN_ALG} can name, except {@code none}. */
public enum SigningAlgorithm {
    HMAC("hmac", "HMAC-SHA256", 44),
    ED25519("ed25519", "Ed25519", 88);

    private final String configName;
    private final String displayName;
    private final int signatureChars;

    SigningAlgorithm(String configName, String displayName, int signatureChars) {
        this.configName = configName;
        this.displayName = displayName;
        this.signatureChars = signatureChars;
    }

    /** Returns the algorithm whose signatures in base64 have the length of {@code sig}, or empty. */
    public static Optional<SigningAlgorithm> byLength(@Nullable String sig) {
        return Stream.of(values())
                .filter(each -> sig != null && sig.length() == each.signatureChars)
                .findFirst();
    }

    /** Returns the name that {@code PCS_SIGN_ALG} uses. */
    public String configName() {
        return configName;
    }

    /** Returns the name for people. */
    public String displayName() {
        return displayName;
    }
}
