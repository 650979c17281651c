// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.function.LongSupplier;

/**
 * Work of an event loop that takes longer than others should wait: steps of it for about a millisecond, then the loop looks at its connections, then
 * the next. Networks take turns, and what one of them has is done one after the other, so that nobody waits for another's queue. Holds no more than there
 * are requests under way, which are bounded and counted. Owned by that loop.
 */
final class LongWork {
    /** Steps that are shorter are put together. */
    static final long TURN_NANOS = 1_000_000;

    private final Later later;
    private final LongSupplier nanoTicker;
    private final Map<Long, Queue<Work>> waiting = new LinkedHashMap<>();
    private boolean scheduled;

    /** Something that is done in steps of less than a millisecond. */
    interface Work {
        /** Does one step; whether there is more. */
        boolean goOn();

        /** Lets go of what it holds, instead of the next step. */
        void drop();
    }

    /** Runs a task when the loop has looked at its connections once more. */
    interface Later {
        void run(Runnable task);
    }

    LongWork(Later later, LongSupplier nanoTicker) {
        this.later = later;
        this.nanoTicker = nanoTicker;
    }

    /** @param network of the sender, see {@link dev.flk.backend.limit.Sender#network} */
    void add(long network, Work work) {
        schedule(); // if that throws, it was not added
        waiting.computeIfAbsent(network, key -> new ArrayDeque<>()).add(work);
    }

    /** Drops what is left. */
    void dropAll() {
        List<Work> all = waiting.values().stream().flatMap(Queue::stream).toList();
        waiting.clear();
        all.forEach(Work::drop);
    }

    private void schedule() {
        if (!scheduled) {
            later.run(this::takeTurn);
            scheduled = true;
        }
    }

    private void takeTurn() {
        scheduled = false;
        try {
            long began = nanoTicker.getAsLong();
            do {
                doOneStep();
            } while (!waiting.isEmpty() && nanoTicker.getAsLong() - began < TURN_NANOS);
        } finally {
            if (!waiting.isEmpty()) {
                schedule();
            }
        }
    }

    private void doOneStep() {
        if (waiting.isEmpty()) {
            return;
        }
        Map.Entry<Long, Queue<Work>> first = waiting.entrySet().iterator().next();
        long network = first.getKey();
        Queue<Work> works = first.getValue();
        boolean hasMore = false;
        try {
            hasMore = works.element().goOn();
        } finally {
            if (!hasMore) {
                works.remove();
            }
            waiting.remove(network);
            if (!works.isEmpty()) {
                waiting.put(network, works);
            }
        }
    }
}
