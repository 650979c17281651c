// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.util.regex.Pattern;

/**
 * One record to be appended.
 *
 * @param kind a lower-case letter that means something to the caller
 * @param keyId 1 to 64 characters of {@code [A-Za-z0-9._:-]}, or {@code -} for none
 * @param arrivalMillis wall time of arrival, milliseconds since the epoch, not negative
 * @param body any bytes; not changed by anyone from now on
 */
public record Entry(char kind, String keyId, long arrivalMillis, byte[] body) {
    private static final Pattern KEY_ID = Pattern.compile("[A-Za-z0-9._:-]{1,64}");

    /** Checks the form. */
    public Entry {
        if (kind < 'a' || kind > 'z') {
            throw new IllegalArgumentException("kind must be a lower-case letter, not " + kind);
        }
        if (!KEY_ID.matcher(keyId).matches()) {
            throw new IllegalArgumentException("not a key id: " + keyId);
        }
        if (arrivalMillis < 0) {
            throw new IllegalArgumentException("arrival before 1970: " + arrivalMillis);
        }
        if (body.length > RecordFormat.MAX_BODY_BYTES) {
            throw new IllegalArgumentException("body of " + body.length + " bytes is too long for a record");
        }
    }
}
