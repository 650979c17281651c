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
 * The queue of entries to send. It alternates between retries and new entries, which this process has not sent yet, so
 * that neither kind can hold up the other. New entries are read from the outbox in the order of their sequences, a page
 * at a time; an entry that is not read yet takes no memory in this queue. For one thread.
 */
final class SendQueue {
    private static final int PAGE = 256;
    /**
     * The limit on the number of waiting retries, each of which takes memory. While this limit is reached, no new
     * entries are read from the outbox.
     */
    static final int MAX_RETRIES = 50_000;

    private final Outbox outbox;
    /** The retries in the order in which they are due; retries due at the same time are in the order of the outbox. */
    private final PriorityQueue<Queued> retries =
            new PriorityQueue<>(Comparator.comparingLong((Queued queued) -> queued.dueNanos)
                    .thenComparingLong(queued -> queued.entry.sequence()));

    private final Deque<Queued> fresh = new ArrayDeque<>();
    private final LongQueue released = new LongQueue();
    /** The highest sequence among the new entries read so far. */
    private long readUpTo;

    private boolean freshIsNext;
    private long held;
    /** The {@link Queued#heldBecause} of the entry that was held last; empty if none was. */
    private String lastHeldBecause = "";

    SendQueue(Outbox outbox) {
        this.outbox = outbox;
    }

    /**
     * An outbox entry to send, with the history of its sendings since the agent's start. Owned by the sender's thread.
     */
    static final class Queued {
        final OutboxEntry entry;
        /** The earliest time at which the entry may be sent, in nanoseconds on the ticker. */
        long dueNanos;
        /**
         * The number of times the entry was sent, whether or not an answer came. Each sent certificate contains this
         * number, which includes the current sending, as {@code attempt}.
         */
        int sent;
        /** The number of failures so far, for the backoff. */
        int failures;
        /** The number of answers of 500; only these answers count towards {@code MAX_ATTEMPTS}. */
        int attemptsSpent;
        /**
         * Whether it is known that none of the sendings before the last sending arrived at the backend. If the last
         * sending did not arrive either, the backend does not have the certificate.
         */
        boolean neverArrivedBefore;
        /** The value of the counter {@code SignatureHold.mark} when the entry was last sent. */
        long sentAtMark;
        /** The rejections of the entry's signature, which belong to {@link SignatureHold}; null if none are noted. */
        SignatureHold.@Nullable Refusals refusals;
        /**
         * Whether the entry is sent as a probe, to find out whether the backend accepts signatures of the entry's shard
         * again.
         */
        boolean probe;
        /**
         * The largest number of entries in a request that contains this entry. The number is reduced after a batch with
         * this entry was rejected as a whole or not answered; for a probe, it is 1.
         */
        int maxTogether = Integer.MAX_VALUE;
        /**
         * The description of the last answer that refused the certificate but was not provably the backend's; null if
         * no such answer came. The certificate is held: it is sent alone, with backoff.
         */
        @Nullable
        String heldBecause;

        Queued(OutboxEntry entry, long dueNanos) {
            this.entry = entry;
            this.dueNanos = dueNanos;
        }
    }

    /** Adds an entry, which will be sent when it is due. Usually the entry was sent before. */
    void retry(Queued queued) {
        retries.add(queued);
    }

    /** Notes that an entry is held until it is settled. The caller queues the entry. */
    void hold(Queued queued, String because) {
        held += queued.heldBecause == null ? 1 : 0;
        // many entries are usually held for the same reason, and share the text
        lastHeldBecause = because.equals(lastHeldBecause) ? lastHeldBecause : because;
        queued.heldBecause = lastHeldBecause;
        queued.maxTogether = 1;
    }

    /** Notes that an entry was settled. */
    void settled(Queued queued) {
        held -= queued.heldBecause == null ? 0 : 1;
        queued.heldBecause = null;
    }

    /** Returns the number of held entries. */
    long heldEntries() {
        return held;
    }

    /** Returns the reason for which an entry was held last; empty if no entry is held. */
    String lastHeldBecause() {
        return held == 0 ? "" : lastHeldBecause;
    }

    /**
     * Puts back an entry that was taken from the queue but never sent. The entry will be read from the outbox again.
     */
    void release(long sequence) {
        released.add(sequence);
    }

    /**
     * Returns the time on the ticker at which the next entry is due: {@code nowNanos} if a new entry can be sent.
     * Returns empty if neither a new entry nor a retry waits.
     */
    OptionalLong firstDueNanos(long nowNanos) {
        if (hasFresh(nowNanos)) {
            return OptionalLong.of(nowNanos);
        }
        Queued first = retries.peek();
        return first == null ? OptionalLong.empty() : OptionalLong.of(first.dueNanos);
    }

    /**
     * Removes and returns due entries for one request: at most {@code max} entries with at most {@code maxBytes} bytes
     * in total. If an entry is due, returns at least one entry, even if it is longer than {@code maxBytes}.
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

    /** Returns the next due entry without removing the entry from the queue; null if no entry is due. */
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

    /**
     * Reads an entry from the outbox, to be sent at {@code nowNanos}. Returns empty if the entry is no longer pending.
     */
    Optional<Queued> read(long sequence, long nowNanos) {
        return outbox.pendingAfter(sequence - 1, 1).stream()
                .filter(entry -> entry.sequence() == sequence)
                .findFirst()
                .map(entry -> new Queued(entry, nowNanos));
    }

    /**
     * Returns whether a new entry is in memory. If no new entry is left in memory, first reads another page from the
     * outbox, except while too many retries wait.
     */
    private boolean hasFresh(long nowNanos) {
        if (fresh.isEmpty() && retries.size() < MAX_RETRIES) {
            while (!released.isEmpty() && fresh.size() < PAGE) {
                read(released.remove(), nowNanos).ifPresent(fresh::add);
            }
            if (fresh.isEmpty()) {
                readNext(nowNanos);
            }
        }
        return !fresh.isEmpty();
    }

    /** Reads new entries, or else entries that wait again. */
    private void readNext(long nowNanos) {
        List<OutboxEntry> page = outbox.pendingAfter(readUpTo, PAGE);
        while (fresh.isEmpty() && !page.isEmpty()) {
            page.stream()
                    .filter(entry -> !outbox.isAgain(entry))
                    .forEach(entry -> fresh.add(new Queued(entry, nowNanos)));
            readUpTo = page.get(page.size() - 1).sequence();
            page = fresh.isEmpty() ? outbox.pendingAfter(readUpTo, PAGE) : List.of();
        }
        OptionalLong again = fresh.isEmpty() ? outbox.pollAgain() : OptionalLong.empty();
        while (again.isPresent()) {
            read(again.getAsLong(), nowNanos).ifPresent(fresh::add);
            readUpTo = Math.max(readUpTo, again.getAsLong()); // new entries have higher sequences than settled ones
            again = fresh.size() < PAGE ? outbox.pollAgain() : OptionalLong.empty();
        }
    }

    /**
     * A FIFO queue of numbers in an array, which takes much less memory than a collection of objects; the queue may
     * contain a million numbers. For one thread.
     */
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

        int size() {
            return size;
        }

        boolean isEmpty() {
            return size == 0;
        }
    }
}
