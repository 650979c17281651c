// SPDX-License-Identifier: Apache-2.0
package dev.flk.feed;

import java.util.regex.Pattern;

/**
 * The position up to which the events of a log were committed.
 *
 * @param logId the id of the log, 32 hex digits
 * @param sequence the sequence number of the log's last record whose event was committed, or that has none
 * @param digest what identifies that record: 1 to 128 printable ASCII characters without spaces
 */
public record FeedPosition(String logId, long sequence, String digest) {
    private static final Pattern LOG_ID = Pattern.compile("[0-9a-f]{32}");
    private static final Pattern DIGEST = Pattern.compile("[!-~]{1,128}");

    public FeedPosition {
        if (!LOG_ID.matcher(logId).matches()) {
            throw new IllegalArgumentException("the id of a log has 32 hex digits, not " + logId);
        }
        if (sequence < 0) {
            throw new IllegalArgumentException("a sequence number is not negative: " + sequence);
        }
        if (!DIGEST.matcher(digest).matches()) {
            throw new IllegalArgumentException("a digest has 1 to 128 printable characters, not " + digest);
        }
    }
}
