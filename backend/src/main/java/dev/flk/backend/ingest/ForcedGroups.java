// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * Between the log's writer and the recorder: what the end of one force means for those who wait goes over as one group, so that
 * the writer does nothing but write and force. Handing over never waits; what is held is bounded by the flights there can be.
 */
final class ForcedGroups {
    private final LinkedBlockingQueue<Group> groups = new LinkedBlockingQueue<>();

    /** The group that is being told; the writer's thread only. */
    private Group together = new Group(new ArrayList<>(), new ArrayList<>());

    /**
     * What one force ended; an empty one is the end of all.
     *
     * @param flights are on disk and to be recorded, in the order of the log
     * @param others is to be told otherwise
     */
    record Group(List<Flight> flights, List<Runnable> others) {
        private boolean isEmpty() {
            return flights.isEmpty() && others.isEmpty();
        }
    }

    /** These were forced; on the writer's thread. */
    void forced(List<Flight> flights) {
        together.flights().addAll(flights);
    }

    /** To be run on the recorder's thread; on the writer's thread. */
    void other(Runnable told) {
        together.others().add(told);
    }

    /** All that shared the force were told; on the writer's thread. */
    void groupEnded() {
        if (!together.isEmpty()) {
            groups.add(together);
            together = new Group(new ArrayList<>(), new ArrayList<>());
        }
    }

    /** Hands over flights that are on disk since earlier. Any thread. */
    void again(List<Flight> flights) {
        groups.add(new Group(flights, List.of()));
    }

    /** The next group; null if there is none. */
    @Nullable
    Group poll() {
        Group group = groups.poll();
        return group == null || group.isEmpty() ? null : group;
    }

    /** Waits for the next group; null at the end. The waiting thread may not be interrupted. */
    @Nullable
    Group take() {
        boolean interrupted = false;
        while (true) {
            try {
                Group group = groups.take();
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
                return group.isEmpty() ? null : group;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
    }

    /** Nothing comes behind what was handed over before. */
    void end() {
        groups.add(new Group(List.of(), List.of()));
    }
}
