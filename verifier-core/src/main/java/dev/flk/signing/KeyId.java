// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing;

/**
 * The id of a key in records and messages, which does not disclose the key: 8 hex digits, or {@code none} if signatures
 * are not checked. It is short on purpose: it distinguishes a handful of configured keys and proves nothing.
 */
public record KeyId(String text) {
    /** The id that stands in for a key if the signature was not checked. */
    public static final KeyId NONE = new KeyId("none");

    public KeyId {
        if (!text.equals("none") && !text.matches("[0-9a-f]{8}")) {
            throw new IllegalArgumentException(
                    "a key id is 8 hex digits or the word none, not " + text.length() + " characters");
        }
    }

    @Override
    public String toString() {
        return text;
    }
}
