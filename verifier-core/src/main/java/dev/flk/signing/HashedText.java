// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import dev.flk.canonical.Sha256;
import dev.flk.signing.KeyUse.Message;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** A text that may have been signed, hashed once for all who ask. The array is not to be changed. */
public final class HashedText {
    private final byte[] text;
    private final byte[] sha256;

    public HashedText(byte[] text) {
        this.text = text;
        this.sha256 = Sha256.of(text);
    }

    public byte[] text() {
        return text;
    }

    /** The digest in hex: equal for equal texts. */
    public String digest() {
        return HexFormat.of().formatHex(sha256);
    }

    byte[] as(Message message) {
        return switch (message) {
            case TEXT -> text;
            case SHA256 -> sha256;
            case SHA256_IN_HEX -> digest().getBytes(StandardCharsets.US_ASCII);
        };
    }
}
