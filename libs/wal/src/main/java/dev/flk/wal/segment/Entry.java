// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

/**
 * An entry to append.
 *
 * @param kind a lower-case letter whose meaning the caller defines
 * @param keyId 1 to 64 characters of {@code [A-Za-z0-9._:-]}, or {@code -} for none
 * @param arrivalMillis the wall time of arrival, in milliseconds since the epoch; not negative
 * @param body any bytes; the caller must not change them afterwards
 */
public record Entry(char kind, String keyId, long arrivalMillis, byte[] body) {
    private static final int MAX_KEY_ID_CHARS = 64;

    /** Validates the fields. */
    public Entry {
        if (kind < 'a' || kind > 'z') {
            throw new IllegalArgumentException("kind must be a lower-case letter, not " + kind);
        }
        if (!isKeyId(keyId)) {
            throw new IllegalArgumentException("not a key id: " + keyId);
        }
        if (arrivalMillis < 0) {
            throw new IllegalArgumentException("arrival before 1970: " + arrivalMillis);
        }
        if (body.length > RecordFormat.MAX_BODY_BYTES) {
            throw new IllegalArgumentException("body of " + body.length + " bytes is too long for a record");
        }
    }

    private static boolean isKeyId(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (!plain && c != '.' && c != '_' && c != ':' && c != '-') {
                return false;
            }
        }
        return !text.isEmpty() && text.length() <= MAX_KEY_ID_CHARS;
    }
}
