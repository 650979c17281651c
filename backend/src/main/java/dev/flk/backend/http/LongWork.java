// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Queue;

/**
 * Work of an event loop that takes longer than others should wait: one step of it, then the loop looks at its connections, then the next. Networks take turns, and what
 * one of them has is done one after the other, so that nobody waits for another's queue. Holds no more than there are requests under way, which are
 * bounded and counted. Owned by that loop.
 */
final class LongWork {
    private final Later later;
    private final Map<Long, Queue<Work>> waiting = new LinkedHashMap<>();
    private boolean scheduled;

    /** Something that is done in steps of a fraction of a millisecond. */
    interface Work {
        /** Does one step; whether there is more. Does not throw. */
        boolean goOn();
    }

    /** Runs a task when the loop has looked at its connections once more. */
    interface Later {
        void run(Runnable task);
    }

    LongWork(Later later) {
        this.later = later;
    }

    /** @param network of the sender, see {@link dev.flk.backend.limit.Sender#network} */
    void add(long network, Work work) {
        waiting.computeIfAbsent(network, key -> new ArrayDeque<>()).add(work);
        schedule();
    }

    /** Does what is left, in one go: at the end, when there is no connection any more, that is to let go of it. */
    void finish() {
        while (!waiting.isEmpty()) {
            doOneStep();
        }
    }

    private void schedule() {
        if (!scheduled) {
            scheduled = true;
            later.run(() -> {
                scheduled = false;
                doOneStep();
                if (!waiting.isEmpty()) {
                    schedule();
                }
            });
        }
    }

    private void doOneStep() {
        if (waiting.isEmpty()) {
            return;
        }
        Map.Entry<Long, Queue<Work>> first = waiting.entrySet().iterator().next();
        long network = first.getKey();
        Queue<Work> works = first.getValue();
        if (!works.element().goOn()) {
            works.remove();
        }
        waiting.remove(network);
        if (!works.isEmpty()) {
            waiting.put(network, works);
        }
    }
}
