// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.certificate.PcsId;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The ids in flight: being looked up, logged, recorded, or waiting for the store. An id is registered here before the store is
 * asked, so that two submissions of one id never go their ways separately. Bounded; safe for any thread.
 */
final class Flights {
    private final int maxFlights;
    private final ConcurrentHashMap<PcsId, Flight> flights = new ConcurrentHashMap<>();

    /** How a submission joined. */
    enum Joined {
        /** The id was not in flight; it is now, and the caller flies it. */
        OPENED,
        /** It will be told with the flight's end. */
        SHARES,
        /** The flight waits for the store, and so does this. */
        STORE_IS_DOWN,
        /** No room for another id. */
        FULL
    }

    /** What {@link #join} did. */
    record Join(Joined joined, Optional<Flight> flight) {}

    Flights(int maxFlights) {
        this.maxFlights = maxFlights;
    }

    Join join(Candidate candidate) {
        Join[] result = new Join[1];
        flights.compute(candidate.id(), (id, flight) -> {
            if (flight == null) {
                if (flights.size() >= maxFlights) {
                    result[0] = new Join(Joined.FULL, Optional.empty());
                    return null;
                }
                Flight opened = new Flight(candidate);
                result[0] = new Join(Joined.OPENED, Optional.of(opened));
                return opened;
            }
            List<Candidate> waiting = flight.waiting;
            if (waiting == null) {
                result[0] = new Join(Joined.STORE_IS_DOWN, Optional.of(flight));
            } else {
                waiting.add(candidate);
                result[0] = new Join(Joined.SHARES, Optional.of(flight));
            }
            return flight;
        });
        return result[0];
    }

    /** Ends a flight: its id is free for a look-up again. Returns who is to be told, in the order in which they came. */
    List<Candidate> end(Flight flight) {
        List<Candidate> told = new ArrayList<>();
        flights.computeIfPresent(flight.id(), (id, present) -> {
            collect(flight, told);
            return null;
        });
        return told;
    }

    /** The flight goes on waiting for the store; those who wait for it now are to be told so, and get nothing later. */
    List<Candidate> leaveWaiting(Flight flight) {
        List<Candidate> told = new ArrayList<>();
        flights.computeIfPresent(flight.id(), (id, present) -> {
            collect(flight, told);
            flight.waiting = null;
            return present;
        });
        return told;
    }

    private static void collect(Flight flight, List<Candidate> told) {
        if (flight.waiting != null) {
            told.addAll(flight.waiting);
        }
    }

    boolean has(PcsId id) {
        return flights.containsKey(id);
    }

    int size() {
        return flights.size();
    }
}
