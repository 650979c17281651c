// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/**
 * A certificate in the outbox.
 *
 * @param sequence the number of the certificate in the outbox
 * @param addedMillis the time at which the certificate was added, in milliseconds since 1970. The sequence and this
 *     time together identify the entry, even if the outbox is deleted and its sequences start again
 * @param bodyBytes the length of the certificate in bytes
 * @param unansweredSinceMillis the time of the earliest sending that may have brought the entry into the backend's log,
 *     in milliseconds since 1970, on the clock that measures {@code MAX_AGE}; -1 if the entry was not sent, or if it is
 *     known that no sending of the entry has arrived
 */
public record OutboxEntry(long sequence, long addedMillis, int bodyBytes, long unansweredSinceMillis) {

    OutboxEntry unansweredSince(long millis) {
        return new OutboxEntry(sequence, addedMillis, bodyBytes, millis);
    }
}
