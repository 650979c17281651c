// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxEntry;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/**
 * What is sent next: entries to be retried and entries that were never sent, taken in turn, so that neither starves the other. Of
 * those never sent, only a page is held here, in the order of the outbox; the rest costs nothing but its place there. One thread.
 */
final class SendQueue {
    private static final int PAGE = 256;
    /** A retry costs memory; beyond this no entry that was never sent is read, until some retries are settled. */
    static final int MAX_RETRIES = 50_000;

    private final Outbox outbox;
    /** The one that is due first in front; equally due ones in the order of the outbox. */
    private final PriorityQueue<Queued> retries =
            new PriorityQueue<>(Comparator.comparingLong((Queued queued) -> queued.dueNanos)
                    .thenComparingLong(queued -> queued.entry.sequence()));

    private final Deque<Queued> fresh = new ArrayDeque<>();
    private final LongQueue released = new LongQueue();
    /** The highest sequence that was read from the outbox. */
    private long readUpTo;

    private boolean freshIsNext;

    SendQueue(Outbox outbox) {
        this.outbox = outbox;
    }

    /** An entry and its attempts since the agent's start. Owned by the sender's thread. */
    static final class Queued {
        final OutboxEntry entry;
        /** When it may be sent next, on the ticker. */
        long dueNanos;
        /** How often it was sent, answered or not: the certificate's {@code attempt}. */
        int sent;
        /** Failures so far, for the backoff. */
        int failures;
        /** Answers that count against {@code MAX_ATTEMPTS}: not those that would be given to any certificate, and no outage. */
        int attemptsSpent;
        /** Whether no earlier attempt can have arrived: if this one does not either, none has. */
        boolean neverArrivedBefore;
        /** The mark of its last refused signature; negative while there is none. See {@link SignatureHold}. */
        long refusedAt = -1;
        /** The mark when it was sent last; see {@link SignatureHold}. */
        long sentAtMark;
        /** When it was sent last, another of its shard, sent after its refusal, had been accepted. */
        boolean keyKnownGood;
        /** Is sent to find out whether its shard's signatures are accepted again. */
        boolean probe;
        /** How many may share its request: fewer after a batch with it was refused as a whole, or not answered in time. */
        int maxTogether = Integer.MAX_VALUE;

        Queued(OutboxEntry entry, long dueNanos) {
            this.entry = entry;
            this.dueNanos = dueNanos;
        }
    }

    /** Adds an entry that is to be sent again once it is due. */
    void retry(Queued queued) {
        retries.add(queued);
    }

    /** An entry that was taken and not sent is to be read again. */
    void release(long sequence) {
        released.add(sequence);
    }

    /** When there is something to send, on the ticker; empty if nothing waits. */
    OptionalLong firstDueNanos(long nowNanos) {
        if (hasFresh(nowNanos)) {
            return OptionalLong.of(nowNanos);
        }
        Queued first = retries.peek();
        return first == null ? OptionalLong.empty() : OptionalLong.of(first.dueNanos);
    }

    /** What may share a request now: up to {@code max}, up to {@code maxBytes}, at least one if any is due. */
    List<Queued> take(long nowNanos, int max, long maxBytes) {
        List<Queued> taken = new ArrayList<>();
        long bytes = 0;
        int together = max;
        while (taken.size() < together) {
            Queued next = peek(nowNanos);
            if (next == null) {
                break;
            }
            bytes += next.entry.bodyBytes();
            together = Math.min(together, next.maxTogether);
            if (!taken.isEmpty() && (taken.size() >= together || bytes > maxBytes)) {
                break;
            }
            taken.add(remove(next));
        }
        return taken;
    }

    /** The next one; null if none is due. */
    private @Nullable Queued peek(long nowNanos) {
        Queued retry = retries.peek();
        boolean due = retry != null && retry.dueNanos <= nowNanos;
        if (hasFresh(nowNanos) && (freshIsNext || !due)) {
            return fresh.getFirst();
        }
        return due ? retry : null;
    }

    private Queued remove(Queued next) {
        boolean isFresh = !fresh.isEmpty() && fresh.getFirst() == next;
        freshIsNext = !isFresh;
        return isFresh ? fresh.removeFirst() : retries.remove();
    }

    /** The entry of this sequence, if it still waits. */
    Optional<Queued> read(long sequence, long nowNanos) {
        return outbox.pendingAfter(sequence - 1, 1).stream()
                .filter(entry -> entry.sequence() == sequence)
                .findFirst()
                .map(entry -> new Queued(entry, nowNanos));
    }

    /** Reads a page where there is none; whether there is an entry that was never sent. */
    private boolean hasFresh(long nowNanos) {
        if (fresh.isEmpty() && retries.size() < MAX_RETRIES) {
            while (!released.isEmpty() && fresh.size() < PAGE) {
                read(released.remove(), nowNanos).ifPresent(fresh::add);
            }
            for (OutboxEntry entry : outbox.pendingAfter(readUpTo, PAGE - fresh.size())) {
                fresh.add(new Queued(entry, nowNanos));
                readUpTo = entry.sequence();
            }
        }
        return !fresh.isEmpty();
    }

    /** Numbers in the order they were added, eight bytes each: there may be a million of them. One thread. */
    static final class LongQueue {
        private long[] numbers = new long[16];
        private int head;
        private int size;

        void add(long number) {
            if (size == numbers.length) {
                long[] larger = new long[2 * size];
                for (int i = 0; i < size; i++) {
                    larger[i] = numbers[(head + i) % size];
                }
                numbers = larger;
                head = 0;
            }
            numbers[(head + size) % numbers.length] = number;
            size++;
        }

        /** Takes out the oldest; there must be one. */
        long remove() {
            long number = numbers[head];
            head = (head + 1) % numbers.length;
            size--;
            return number;
        }

        boolean isEmpty() {
            return size == 0;
        }
    }
}
