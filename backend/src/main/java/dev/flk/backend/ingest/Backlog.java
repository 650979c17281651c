// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.certificate.PcsId;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
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

    /** Takes the oldest ones, as many as go together: no two of the same id, of which one may have expired when the other came. */
    List<Flight> next() {
        List<Flight> batch = new ArrayList<>();
        Set<PcsId> ids = new HashSet<>();
        for (Flight flight : bySequence.values()) {
            if (batch.size() == BATCH || !ids.add(flight.id())) {
                break;
            }
            batch.add(flight);
        }
        batch.forEach(flight -> bySequence.remove(flight.sequence()));
        return batch;
    }
}
