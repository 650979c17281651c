// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.wal.Append;
import dev.flk.wal.Entry;
import dev.flk.wal.Log;
import java.io.IOException;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * The inbox log with its low-water mark: puts submissions, evidence and overruled outcomes into the log, and hands what one force
 * brought to disk to the recorder as one group.
 */
final class Inbox {
    private final Log log;
    private final LowWater lowWater;
    private final ForcedGroups groups;

    /**
     * @param groups takes the flights that are on disk
     */
    Inbox(Log log, LowWater lowWater, ForcedGroups groups) {
        this.log = log;
        this.lowWater = lowWater;
        this.groups = groups;
    }

    LowWater lowWater() {
        return lowWater;
    }

    /**
     * Logs submissions in one go; they reach the recorder once they are on disk.
     *
     * @param failed called on the writer's thread with all of them if they did not
     * @return false if the log takes nothing now; then nothing happens
     */
    boolean append(List<Flight> flights, BiConsumer<List<Flight>, IOException> failed) {
        List<Entry> entries = flights.stream()
                .map(flight -> flight.opener().entry(RecordKind.SUBMISSION))
                .toList();
        return log.append(new Append() {
            @Override
            public List<Entry> entries() {
                return entries;
            }

            @Override
            public void forced(long firstSequence) {
                long last = firstSequence + flights.size() - 1;
                LowWater.Group group =
                        lowWater.opened(last, flights.get(0).opener().arrivalMillis(), flights.size());
                for (int i = 0; i < flights.size(); i++) {
                    flights.get(i).logged(firstSequence + i, group);
                }
                groups.forced(flights);
            }

            @Override
            public void failed(IOException cause) {
                failed.accept(flights, cause);
            }
        });
    }

    /**
     * Logs a record that needs no decision.
     *
     * @param forced called on the writer's thread once it is on disk
     * @param failed called there if it is not
     * @return false if the log takes nothing now; then nothing is called
     */
    boolean append(Entry entry, Runnable forced, Consumer<IOException> failed) {
        return log.append(new Append() {
            @Override
            public List<Entry> entries() {
                return List.of(entry);
            }

            @Override
            public void forced(long firstSequence) {
                lowWater.opened(firstSequence, entry.arrivalMillis(), 0);
                forced.run();
            }

            @Override
            public void failed(IOException cause) {
                failed.accept(cause);
            }
        });
    }
}
