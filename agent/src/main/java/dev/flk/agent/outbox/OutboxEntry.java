// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/**
 * A certificate in the outbox.
 *
 * @param sequence the number of the certificate in the outbox
 * @param addedMillis the time at which the certificate was added, in milliseconds since 1970. Sequence and time
 *     together identify the entry, even if the outbox is deleted and its sequences start again
 * @param bodyBytes the length of the certificate in bytes
 * @param unansweredSinceMillis the time of the first unanswered sending, in milliseconds since 1970, on the clock that
 *     measures {@code MAX_AGE}; -1 if no sending is unanswered
 */
public record OutboxEntry(long sequence, long addedMillis, int bodyBytes, long unansweredSinceMillis) {

    OutboxEntry unansweredSince(long millis) {
        return new OutboxEntry(sequence, addedMillis, bodyBytes, millis);
    }
}
