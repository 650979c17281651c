// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * Between the log's writer and the recorder: what one force brought to disk goes over as one group. Handing over never waits;
 * what is held is bounded by the flights there can be.
 */
final class ForcedGroups {
    private final LinkedBlockingQueue<List<Flight>> groups = new LinkedBlockingQueue<>();

    /** The group that is being told; the writer's thread only. */
    private List<Flight> together = new ArrayList<>();

    /** These were forced; on the writer's thread. */
    void forced(List<Flight> flights) {
        together.addAll(flights);
    }

    /** All that shared the force were told; on the writer's thread. */
    void groupEnded() {
        if (!together.isEmpty()) {
            groups.add(together);
            together = new ArrayList<>();
        }
    }

    /** Hands over flights that are on disk since earlier. Any thread. */
    void again(List<Flight> flights) {
        groups.add(flights);
    }

    /** The next group; null if there is none. */
    @Nullable
    List<Flight> poll() {
        return groups.poll();
    }

    /** Waits for the next group; an empty one is the end. The waiting thread may not be interrupted. */
    List<Flight> take() {
        boolean interrupted = false;
        while (true) {
            try {
                List<Flight> group = groups.take();
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
                return group;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
    }

    /** Nothing comes behind what was handed over before. */
    void end() {
        groups.add(List.of());
    }
}
