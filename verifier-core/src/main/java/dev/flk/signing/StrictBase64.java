// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

import java.util.Base64;
import java.util.Optional;

/**
 * Base64 in one spelling only: standard alphabet, padded, unused bits zero, no white space. Whoever could respell a signature
 * could make the same certificate look like another.
 */
final class StrictBase64 {
    private StrictBase64() {}

    /** The bytes of {@code text}; empty unless it is the base64 of exactly {@code lengthBytes} bytes. */
    static Optional<byte[]> decode(String text, int lengthBytes) {
        if (text.length() != (lengthBytes + 2) / 3 * 4) {
            return Optional.empty();
        }
        try {
            byte[] bytes = Base64.getDecoder().decode(text);
            // The decoder forgives missing padding and stray bits.
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
