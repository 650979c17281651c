// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.Entry;
import dev.flk.agent.outbox.Outbox;
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
 * What is sent next. Two lanes take turns, so that neither starves the other: what was put off and is due again, and what was never
 * sent, in the order of the outbox. Of the latter only a page is held here; it costs nothing but its place in the outbox. One thread.
 */
final class Lanes {
    private static final int PAGE = 256;
    /** What was put off costs memory; beyond this nothing is taken up that was never sent, until some of it is settled. */
    static final int MOST_PUT_OFF = 50_000;

    private final Outbox outbox;
    private final Schedule putOff = new Schedule();
    private final Deque<Delivery> fresh = new ArrayDeque<>();
    private final LongQueue released = new LongQueue();
    /** Everything up to this sequence was taken up. */
    private long takenUpTo;

    private boolean freshIsNext;

    Lanes(Outbox outbox) {
        this.outbox = outbox;
    }

    /** It waits until it is due. */
    void putOff(Delivery delivery) {
        putOff.add(delivery);
    }

    /** An entry that was taken up and not sent is to be taken up again. */
    void release(long sequence) {
        released.add(sequence);
    }

    /** When there is something to send, on the ticker; empty if nothing waits. */
    OptionalLong firstDueNanos(long nowNanos) {
        return takeUp(nowNanos) ? OptionalLong.of(nowNanos) : putOff.firstDueNanos();
    }

    /** What may share a request now: up to {@code most}, up to {@code maxBytes}, at least one if any is due. */
    List<Delivery> take(long nowNanos, int most, long maxBytes) {
        List<Delivery> taken = new ArrayList<>();
        long bytes = 0;
        int together = most;
        while (taken.size() < together) {
            Delivery next = peek(nowNanos);
            if (next == null) {
                break;
            }
            bytes += next.entry.bodyBytes();
            together = Math.min(together, next.mostTogether);
            if (!taken.isEmpty() && (taken.size() >= together || bytes > maxBytes)) {
                break;
            }
            taken.add(remove(next));
        }
        return taken;
    }

    /** The next of either lane; null if none is due. */
    private @Nullable Delivery peek(long nowNanos) {
        boolean due = putOff.isDue(nowNanos);
        boolean anyFresh = takeUp(nowNanos);
        if (anyFresh && (freshIsNext || !due)) {
            return fresh.getFirst();
        }
        return due ? putOff.first() : null;
    }

    private Delivery remove(Delivery next) {
        boolean isFresh = !fresh.isEmpty() && fresh.getFirst() == next;
        freshIsNext = !isFresh;
        return isFresh ? fresh.removeFirst() : putOff.remove();
    }

    /** The entry of this sequence, if it still waits. */
    Optional<Delivery> takeUp(long sequence, long nowNanos) {
        return outbox.pendingAfter(sequence - 1, 1).stream()
                .filter(entry -> entry.sequence() == sequence)
                .findFirst()
                .map(entry -> new Delivery(entry, nowNanos));
    }

    /** Whether there is one that was never sent. */
    private boolean takeUp(long nowNanos) {
        if (fresh.isEmpty() && putOff.size() < MOST_PUT_OFF) {
            while (!released.isEmpty() && fresh.size() < PAGE) {
                takeUp(released.remove(), nowNanos).ifPresent(fresh::add);
            }
            for (Entry entry : outbox.pendingAfter(takenUpTo, PAGE - fresh.size())) {
                fresh.add(new Delivery(entry, nowNanos));
                takenUpTo = entry.sequence();
            }
        }
        return !fresh.isEmpty();
    }

    /** The deliveries that were put off, the one due first in front; equally due ones in the order of the outbox. One thread. */
    private static final class Schedule {
        private final PriorityQueue<Delivery> waiting =
                new PriorityQueue<>(Comparator.comparingLong((Delivery delivery) -> delivery.dueNanos)
                        .thenComparingLong(delivery -> delivery.entry.sequence()));

        void add(Delivery delivery) {
            waiting.add(delivery);
        }

        /** When the first one is due, on the ticker. */
        OptionalLong firstDueNanos() {
            Delivery first = waiting.peek();
            return first == null ? OptionalLong.empty() : OptionalLong.of(first.dueNanos);
        }

        boolean isDue(long nowNanos) {
            Delivery first = waiting.peek();
            return first != null && first.dueNanos <= nowNanos;
        }

        /** The first one; there must be one. */
        Delivery first() {
            return waiting.element();
        }

        /** Takes the first one out. */
        Delivery remove() {
            return waiting.remove();
        }

        int size() {
            return waiting.size();
        }
    }

    /** Numbers in the order they came, eight bytes each: there may be a million of them. One thread. */
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

        int size() {
            return size;
        }
    }
}
