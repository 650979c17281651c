// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * What the recorder has to do, in order: what the end of one force means for those who wait goes over as one group, so that the
 * log's writer does nothing but write and force; and so does what the store answered. Handing over never waits; what is held is
 * bounded by the flights there can be.
 */
final class ForcedGroups {
    private final LinkedBlockingQueue<Group> groups = new LinkedBlockingQueue<>();

    /** The group that is being told; the writer's thread only. */
    private Group together = new Group(new ArrayList<>(), new ArrayList<>());

    /**
     * What one force ended.
     *
     * @param flights are on disk and to be recorded, in the order of the log
     * @param others is to be run otherwise
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

    /** To be run on the recorder's thread, behind what was handed over before. Any thread. */
    void tell(Runnable told) {
        groups.add(new Group(List.of(), List.of(told)));
    }

    /** The next group; null if there is none. */
    @Nullable
    Group poll() {
        return groups.poll();
    }

    /** How many wait. */
    int size() {
        return groups.size();
    }

    /** Waits for the next group. The waiting thread may not be interrupted. */
    Group take() {
        boolean interrupted = false;
        while (true) {
            try {
                Group group = groups.take();
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
                return group;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
    }
}
