// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalLong;
import java.util.PriorityQueue;

/** The deliveries that wait, the one due first in front; equally due ones in the order of the outbox. One thread. */
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

    /** Takes out what is due and may share a request: up to {@code most}, up to {@code maxBytes}, at least one if any is due. */
    List<Delivery> take(long nowNanos, int most, long maxBytes) {
        List<Delivery> taken = new ArrayList<>();
        long bytes = 0;
        while (taken.size() < most) {
            Delivery next = waiting.peek();
            if (next == null || next.dueNanos > nowNanos) {
                break;
            }
            bytes += next.entry.bodyBytes();
            if (!taken.isEmpty() && (next.alone || bytes > maxBytes)) {
                break;
            }
            taken.add(waiting.remove());
            if (next.alone) {
                break;
            }
        }
        return taken;
    }
}
