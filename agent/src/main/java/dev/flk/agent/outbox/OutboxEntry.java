// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/**
 * A certificate in the outbox.
 *
 * @param sequence the number of the certificate in the outbox
 * @param addedMillis the time at which it was added, in milliseconds since 1970; together with the sequence it
 *     identifies the entry even if the outbox is deleted and recreated
 * @param bodyBytes the length of the certificate
 * @param unansweredSinceMillis the time at which it was first sent without an answer, in milliseconds since 1970; -1 if
 *     it never was
 */
public record OutboxEntry(long sequence, long addedMillis, int bodyBytes, long unansweredSinceMillis) {

    OutboxEntry unansweredSince(long millis) {
        return new OutboxEntry(sequence, addedMillis, bodyBytes, millis);
    }
}
