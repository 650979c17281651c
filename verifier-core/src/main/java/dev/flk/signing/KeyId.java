// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

/**
 * Identifies a key in records and messages without disclosing it: 8 hex digits, or {@code none} where signatures are not checked.
 * Short on purpose: it distinguishes a handful of configured keys and proves nothing.
 */
public record KeyId(String text) {
    /** For a signature that was not checked. */
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
