// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;

/**
 * What is in the log and could not be recorded: tried again oldest first, in bounded batches beside live traffic. It holds
 * decisions, no bodies; its flights stay registered, so that it is bounded by the flights there can be. Safe for any thread.
 */
final class Backlog {
    private static final int BATCH = 256;

    private final ConcurrentSkipListMap<Long, Flight> bySequence = new ConcurrentSkipListMap<>();

    void add(Flight flight) {
        bySequence.put(flight.sequence(), flight);
    }

    /** Takes the oldest ones, as many as go together. */
    List<Flight> next() {
        List<Flight> batch = new ArrayList<>();
        for (Map.Entry<Long, Flight> oldest = bySequence.pollFirstEntry();
                oldest != null;
                oldest = batch.size() < BATCH ? bySequence.pollFirstEntry() : null) {
            batch.add(oldest.getValue());
        }
        return batch;
    }
}
