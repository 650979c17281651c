// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.util.Comparator;
import java.util.OptionalLong;
import java.util.PriorityQueue;

/** The deliveries that were put off, the one due first in front; equally due ones in the order of the outbox. One thread. */
final class Schedule {
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
