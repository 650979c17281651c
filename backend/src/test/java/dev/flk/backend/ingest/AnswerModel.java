// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.ingest.Outcome.Decided;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.certificate.PcsId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/** What was acknowledged, by any backend, and has not expired by the clock of any: every answer is held against it. */
final class AnswerModel {
    private final World world;
    private final Map<PcsId, StoredOutcome> acknowledged = new HashMap<>();

    /** What expired; may still be the end of a flight that began before it did, for all who share it. */
    private final Map<PcsId, List<byte[]>> expired = new HashMap<>();

    /** Ids for whose present outcome somebody was told that it was the first. */
    private final Set<PcsId> toldFirst = new HashSet<>();

    /** The arrivals of all submissions, whatever became of them. */
    private final Map<PcsId, List<Arrival>> arrivals = new HashMap<>();

    /**
     * Ids that somebody took out of a log for good: what was acknowledged stands as long as the store loses nothing,
     * and of what comes later nothing is known, since a copy of the store may still have the earlier one.
     */
    private final Set<PcsId> goneFromALog = new HashSet<>();

    private long answers;

    /**
     * A submission's arrival.
     *
     * @param expiresAtMillis the end of its outcome's life, by the clock of the backend that it came to
     * @param worldMillis the true time
     * @param starts how many processes had been started by then
     */
    private record Arrival(long expiresAtMillis, long worldMillis, int starts) {}

    AnswerModel(World world) {
        this.world = world;
    }

    long answers() {
        return answers;
    }

    Map<PcsId, StoredOutcome> acknowledged() {
        return acknowledged;
    }

    /** Outcomes of earlier lives are shared by no flight any more. */
    void processDied() {
        expired.clear();
    }

    void timePassed() {
        forgetIf(id -> acknowledged.get(id).isExpired(world.latestMillis()) && !isAliveInItsProcess(id));
    }

    /** Whatever the clock was set to since: in the process that it arrived in, an outcome lives as long as it should in elapsed time. */
    private boolean isAliveInItsProcess(PcsId id) {
        return world.isOneBackend()
                && arrivals.getOrDefault(id, List.of()).stream()
                        .anyMatch(arrival -> arrival.expiresAtMillis()
                                        == acknowledged.get(id).expiresAtMillis()
                                && arrival.starts() == world.starts()
                                && world.nowMillis() - arrival.worldMillis()
                                        < Simulation.TTL
                                                .minus(BackendClock.MAX_SKEW)
                                                .toMillis());
    }

    /** @param arrivalMillis by the clock of the backend that it comes to */
    void submitted(PcsId id, long arrivalMillis) {
        arrivals.computeIfAbsent(id, key -> new ArrayList<>())
                .add(new Arrival(arrivalMillis + Simulation.TTL.toMillis(), world.nowMillis(), world.starts()));
    }

    /** Records of these ids are gone from a log; of what was made of them, the store has what it has now. */
    void goneFromALog(Set<PcsId> ids, SimulatedDedup store) {
        goneFromALog.addAll(ids);
        forgetIf(id -> ids.contains(id) && !store.existing(id).equals(Optional.of(acknowledged.get(id))));
    }

    boolean isGoneFromALog(PcsId id) {
        return goneFromALog.contains(id);
    }

    /**
     * A store has lost something. Where clocks are set, what has expired by one time may stand again by another:
     * whatever comes back is right for an id of which any submission ends at about this time.
     */
    void storeLost() {
        forgetIf(id -> goneFromALog.contains(id)
                || arrivals.getOrDefault(id, List.of()).stream()
                        .anyMatch(arrival -> Math.abs(arrival.expiresAtMillis() - world.latestMillis())
                                < world.clocksApartMillis()));
    }

    private void forgetIf(Predicate<PcsId> mayBeLost) {
        acknowledged.keySet().removeIf(id -> {
            boolean over = mayBeLost.test(id);
            if (over) {
                hasExpired(id, acknowledged.get(id).body());
                toldFirst.remove(id);
            }
            return over;
        });
    }

    /** @param stood what the store held when the submission came */
    void check(PcsId id, Optional<StoredOutcome> stood, Outcome answer, SimulatedDedup store) {
        answers++;
        if (!(answer instanceof Decided decided)) {
            assertThat(answer).as("no fault of ours").isNotEqualTo(Outcome.Refused.BROKEN);
            return;
        }
        if (stoodMeanwhile(id, stood, decided.body())) {
            return; // what stood when the flight began, though it expired before the answer
        }
        StoredOutcome known = acknowledged.get(id);
        if (known == null && goneFromALog.contains(id)) {
            return;
        }
        if (known == null) {
            // expired while it waited, or decided before without an answer: what stands now is what counts from here on
            recorded(id, decided.body(), store)
                    .ifPresentOrElse(recorded -> acknowledged.put(id, recorded), () -> hasExpired(id, decided.body()));
        } else {
            assertThat(decided.body()).as("%s changed", id).isEqualTo(known.body());
            assertThat(decided.status()).isEqualTo(known.status());
        }
        if (decided.relation() == Relation.FIRST && acknowledged.containsKey(id)) {
            // a duplicate may be told sooner, by another backend
            assertThat(toldFirst.add(id))
                    .as("%s was told to be the first before", id)
                    .isTrue();
        }
    }

    private Optional<StoredOutcome> recorded(PcsId id, byte[] body, SimulatedDedup store) {
        return store.existing(id)
                .filter(existing -> Arrays.equals(existing.body(), body))
                .or(() -> store.everRecorded(id).stream()
                        .filter(ever -> Arrays.equals(ever.body(), body))
                        .filter(ever -> !ever.isExpired(world.latestMillis()))
                        .min(Comparator.comparingLong(StoredOutcome::expiresAtMillis)))
                .filter(recorded -> !recorded.isExpired(world.latestMillis()));
    }

    private void hasExpired(PcsId id, byte[] body) {
        expired.computeIfAbsent(id, key -> new ArrayList<>()).add(body);
    }

    private boolean stoodMeanwhile(PcsId id, Optional<StoredOutcome> stoodAtArrival, byte[] body) {
        stoodAtArrival
                .filter(recorded -> recorded.isExpired(world.latestMillis()))
                .ifPresent(recorded -> hasExpired(id, recorded.body()));
        return expired.getOrDefault(id, List.of()).stream().anyMatch(known -> Arrays.equals(known, body));
    }
}
