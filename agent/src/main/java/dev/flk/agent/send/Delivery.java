// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.Entry;

/** Where the sending of one entry stands. Owned by the sender's thread; begins anew with every start of the agent. */
final class Delivery {
    final Entry entry;
    /** When it may be sent next, on the ticker. */
    long dueNanos;
    /** How often it was sent, answered or not: the certificate's {@code attempt}. */
    int sent;
    /** Failures so far, for the backoff. */
    int failures;
    /** Answers that counted against {@code MAX_ATTEMPTS}: none that says that the backend takes nothing now, no outage. */
    int attemptsSpent;
    /** When it was sent last, by the backend's clock, milliseconds since 1970. */
    long sentAtMillis;
    /** The same of the first sending of which nobody knows whether it arrived; negative while there is none. */
    long unansweredSinceMillis;
    /** The mark of its last refused signature; negative while there is none. See {@link SignatureHold}. */
    long refusedAt = -1;
    /** Must not share a request: a batch with it was refused as a whole. */
    boolean alone;

    Delivery(Entry entry, long dueNanos) {
        this.entry = entry;
        this.dueNanos = dueNanos;
        this.unansweredSinceMillis = entry.unansweredSinceMillis();
    }
}
