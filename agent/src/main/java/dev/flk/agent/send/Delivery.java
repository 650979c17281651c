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
    /** Whether before this sending it was known that it had never arrived: if this one does not either, that stays known. */
    boolean neverArrivedBefore;
    /** The mark of its last refused signature; negative while there is none. See {@link SignatureHold}. */
    long refusedAt = -1;
    /** The mark when it was sent last; see {@link SignatureHold}. */
    long sentAtMark;
    /** When it was sent last, another of its shard, sent after its refusal, had been accepted. */
    boolean keyKnownGood;
    /** Goes out to see whether its shard's signatures are accepted again. */
    boolean probe;
    /** How many may share its request: fewer after a batch with it was refused as a whole, or not answered in time. */
    int mostTogether = Integer.MAX_VALUE;

    Delivery(Entry entry, long dueNanos) {
        this.entry = entry;
        this.dueNanos = dueNanos;
    }
}
