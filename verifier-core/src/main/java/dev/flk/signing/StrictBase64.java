// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import java.util.Base64;
import java.util.Optional;

/**
 * Base64 in a single spelling: standard alphabet, padded, unused bits zero, no white space. If other spellings were
 * accepted, anyone could change a signature's spelling and make one certificate look like two.
 */
final class StrictBase64 {
    private StrictBase64() {}

    /** Returns the bytes of {@code text}; empty unless it is the base64 of exactly {@code lengthBytes} bytes. */
    static Optional<byte[]> decode(String text, int lengthBytes) {
        if (text.length() != (lengthBytes + 2) / 3 * 4) {
            return Optional.empty();
        }
        try {
            byte[] bytes = Base64.getDecoder().decode(text);
            // The decoder tolerates missing padding and stray bits.
            boolean strict = bytes.length == lengthBytes && encode(bytes).equals(text);
            return strict ? Optional.of(bytes) : Optional.empty();
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    static String encode(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }
}
