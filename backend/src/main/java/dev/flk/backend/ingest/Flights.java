// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.Recorded;
import dev.flk.certificate.PcsId;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The ids in flight: being looked up, logged, recorded, or waiting for the store. An id is registered here before the store is
 * asked, so that two submissions of one id never go their ways separately. Bounded; safe for any thread.
 */
final class Flights {
    private final int maxFlights;
    private final InstantSource expiry;
    private final ConcurrentHashMap<PcsId, Flight> flights = new ConcurrentHashMap<>();

    /** How a submission joined. */
    enum Joined {
        /** The id was not in flight; it is now, and the caller flies it. */
        OPENED,
        /** It will be told with the flight's end. */
        SHARES,
        /** The flight's submission is in the log and waits to be recorded; nobody waits for that. */
        LEFT_WAITING,
        /** No room for another id. */
        FULL
    }

    /** What {@link #join} did, and with which flight. */
    record Join(Joined joined, Optional<Flight> flight) {}

    /** @param expiry says that an outcome has expired */
    Flights(int maxFlights, InstantSource expiry) {
        this.maxFlights = maxFlights;
        this.expiry = expiry;
    }

    Join join(Candidate candidate) {
        Join[] result = new Join[1];
        flights.compute(candidate.id(), (id, flight) -> {
            if (flight != null && !flight.isOver(expiry.millis())) {
                Joined joined = flight.join(candidate) ? Joined.SHARES : Joined.LEFT_WAITING;
                result[0] = new Join(joined, Optional.of(flight));
                return flight;
            }
            Flight opened = flights.size() < maxFlights ? new Flight(candidate) : null;
            result[0] = new Join(opened == null ? Joined.FULL : Joined.OPENED, Optional.ofNullable(opened));
            return opened;
        });
        return result[0];
    }

    /** Ends a flight: its id is free for a look-up again. Returns who is to be told. Idempotent. */
    List<Candidate> end(Flight flight) {
        return dismiss(flight, null);
    }

    /** The flight goes on waiting to be recorded. Returns who is to be told so; they get nothing later. */
    List<Candidate> leaveWaiting(Flight flight) {
        return dismiss(flight, flight);
    }

    private List<Candidate> dismiss(Flight flight, @Nullable Flight successor) {
        List<Candidate> told = new ArrayList<>();
        flights.computeIfPresent(flight.id(), (id, present) -> {
            if (present != flight) {
                return present; // it ended before; this is another one of the same id
            }
            told.addAll(flight.dismiss());
            return successor;
        });
        return told;
    }

    /** How many ids are in flight. */
    int size() {
        return flights.size();
    }

    boolean has(PcsId id) {
        return flights.containsKey(id);
    }

    /** Whether the flight has not ended. */
    boolean isUnderWay(Flight flight) {
        return flights.get(flight.id()) == flight;
    }

    /** Whether a flight is under way that has this outcome. */
    boolean isFlying(Recorded outcome) {
        Flight flight = flights.get(outcome.id());
        return flight != null && flight.outcome().equals(outcome);
    }
}
