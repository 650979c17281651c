// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

/**
 * Names a key in records and messages without telling it: 8 hex digits, or {@code none} where signatures are not checked.
 * Short on purpose: it tells a handful of configured keys apart and is no proof of anything.
 */
public record KeyId(String text) {
    /** Stands for a signature that nobody checked. */
    public static final KeyId NONE = new KeyId("none");

    public KeyId {
        if (!text.equals("none") && !text.matches("[0-9a-f]{8}")) {
            throw new IllegalArgumentException(
                    "a key id is 8 hex digits or none, this has " + text.length() + " characters");
        }
    }

    @Override
    public String toString() {
        return text;
    }
}
