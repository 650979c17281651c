// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/**
 * A certificate in the outbox.
 *
 * @param sequence its number in the outbox
 * @param addedMillis when it was added, milliseconds since 1970; with the sequence it names the entry even after the outbox
 *     was deleted and was started again
 * @param bodyBytes length of the certificate
 * @param unansweredSinceMillis when it was first sent without an answer, milliseconds since 1970; -1 if it never was
 */
public record OutboxEntry(long sequence, long addedMillis, int bodyBytes, long unansweredSinceMillis) {

    OutboxEntry unansweredSince(long millis) {
        return new OutboxEntry(sequence, addedMillis, bodyBytes, millis);
    }
}
