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
 * The queue of entries to send. Retries and entries that were never sent alternate, so that neither starves the other.
 * Only a page of the entries that were never sent is in memory, in the order of the outbox; the others take no memory
 * here. One thread.
 */
final class SendQueue {
    private static final int PAGE = 256;
    /**
     * The number of retries from which on no new entries are read until some retries are settled, because retries take
     * memory.
     */
    static final int MAX_RETRIES = 50_000;

    private final Outbox outbox;
    /** The retries by due time, and for the same time in the order of the outbox. */
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
        /** The time on the ticker from which on the entry may be sent. */
        long dueNanos;
        /** The number of times it was sent, answered or not: the certificate's {@code attempt}. */
        int sent;
        /** The number of failures so far, for the backoff. */
        int failures;
        /**
         * The number of answers that count towards {@code MAX_ATTEMPTS}; outages and answers that concern all
         * certificates do not.
         */
        int attemptsSpent;
        /** Whether no earlier attempt can have arrived, so that none has arrived if this one does not. */
        boolean neverArrivedBefore;
        /** The mark of its last rejected signature; negative without one. See {@link SignatureHold}. */
        long refusedAt = -1;
        /** The mark at the time it was last sent; see {@link SignatureHold}. */
        long sentAtMark;
        /**
         * Whether, at the time it was last sent, another entry of its shard that was sent after its rejection had been
         * accepted.
         */
        boolean keyKnownGood;
        /** Whether it is a probe, which tests whether signatures of its shard are accepted again. */
        boolean probe;
        /**
         * The largest number of entries in its request; reduced after a batch with it was rejected as a whole or timed
         * out.
         */
        int maxTogether = Integer.MAX_VALUE;

        Queued(OutboxEntry entry, long dueNanos) {
            this.entry = entry;
            this.dueNanos = dueNanos;
        }
    }

    /** Adds an entry to send again once it is due. */
    void retry(Queued queued) {
        retries.add(queued);
    }

    /** Makes an entry that was taken but never sent be read again. */
    void release(long sequence) {
        released.add(sequence);
    }

    /** Returns the time on the ticker at which the first entry is due; empty if none waits. */
    OptionalLong firstDueNanos(long nowNanos) {
        if (hasFresh(nowNanos)) {
            return OptionalLong.of(nowNanos);
        }
        Queued first = retries.peek();
        return first == null ? OptionalLong.empty() : OptionalLong.of(first.dueNanos);
    }

    /**
     * Removes and returns due entries for one request: at most {@code max} with {@code maxBytes}, but at least one if
     * any is due.
     */
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

    /** Returns the next entry; null if none is due. */
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

    /** Returns the entry with this sequence, if it still waits. */
    Optional<Queued> read(long sequence, long nowNanos) {
        return outbox.pendingAfter(sequence - 1, 1).stream()
                .filter(entry -> entry.sequence() == sequence)
                .findFirst()
                .map(entry -> new Queued(entry, nowNanos));
    }

    /**
     * Returns whether there is an entry that was never sent; reads a page from the outbox if the last one is used up.
     */
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

    /** A FIFO queue of numbers with eight bytes each, because it may contain a million of them. One thread. */
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

        /** Removes and returns the oldest number; the queue must not be empty. */
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
