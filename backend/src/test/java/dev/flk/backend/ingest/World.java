// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.dedup.DedupStore.StoredOutcome;
import dev.flk.backend.dedup.SteadyClock;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Decided;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.certificate.PcsId;
import java.time.Duration;
import java.time.Instant;
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
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The state that simulated backends share: the time, and the model of the outcomes that were answered. */
final class World {
    /** {@code -Dflk.trace=true} prints every step. */
    private static final boolean TRACE = Boolean.getBoolean("flk.trace");

    final Answers answers = new Answers();
    private final List<Clock> clocks = new ArrayList<>();
    private final Duration clocksApart;
    private @Nullable AssertionError broken;
    private long nowMillis = Instant.parse("2026-11-20T10:00:00Z").toEpochMilli();
    private long latestMillis = nowMillis;
    private int starts;

    /** Creates a world in which all clocks are right. */
    World() {
        this(Duration.ZERO);
    }

    /** @param clocksApart the largest difference between two readings of clocks at one moment */
    World(Duration clocksApart) {
        this.clocksApart = clocksApart;
    }

    long nowMillis() {
        return nowMillis;
    }

    Instant now() {
        return Instant.ofEpochMilli(nowMillis);
    }

    long nanos() {
        return nowMillis * 1_000_000;
    }

    /** Returns the clock of one more backend. */
    Clock clock() {
        Clock clock = new Clock();
        clocks.add(clock);
        return clock;
    }

    void advance(Duration by) {
        nowMillis += by.toMillis();
        timePassed();
    }

    private void timePassed() {
        for (Clock clock : clocks) {
            latestMillis = Math.max(latestMillis, clock.steady().expiry().millis());
        }
        answers.timePassed();
    }

    /** The latest time by which any backend has let anything expire: an outcome that ends later is valid for all. */
    long latestMillis() {
        return latestMillis;
    }

    /** The largest amount by which any clock may be behind, or come to be. */
    long clocksApartMillis() {
        return clocksApart.toMillis();
    }

    /** Runs a check. {@link #requireUnbroken} reports one that fails inside a stage, which would swallow the failure. */
    void check(Runnable check) {
        try {
            check.run();
        } catch (AssertionError e) {
            broken = broken == null ? e : broken;
            throw e;
        }
    }

    /** Throws the first failure of a check. */
    void requireUnbroken() {
        if (broken != null) {
            throw broken;
        }
    }

    void trace(String what) {
        trace(() -> what);
    }

    void trace(Supplier<String> what) {
        if (TRACE) {
            System.err.println(now() + " " + what.get());
        }
    }

    /** The time of one backend: a wall clock that somebody may set, and the time that its process believes. */
    final class Clock {
        private static final Duration MAX_SKEW = Duration.ofMinutes(5);

        private long setByMillis;
        private SteadyClock steady = newSteady();

        /** Starts a process, which knows of no other time. */
        void processStarted() {
            steady = newSteady();
            starts++;
            timePassed();
        }

        private SteadyClock newSteady() {
            return new SteadyClock(this::now, World.this::nanos, MAX_SKEW, Simulation.TTL);
        }

        /** Sets the wall clock so far ahead of the world's time, or behind it. */
        void set(Duration ahead) {
            setByMillis = ahead.toMillis();
            timePassed();
        }

        Instant now() {
            return Instant.ofEpochMilli(nowMillis + setByMillis);
        }

        /** The clock that the process works with. */
        SteadyClock steady() {
            return steady;
        }
    }

    /** The outcomes that any backend acknowledged and that have not expired by any clock; every answer is compared with them. */
    final class Answers {
        private final Map<PcsId, StoredOutcome> acknowledged = new HashMap<>();

        /** Outcomes that have expired; a flight that began before may still end with one, for all who share it. */
        private final Map<PcsId, List<byte[]>> expired = new HashMap<>();

        /** Ids of which somebody was told that the present outcome is the first. */
        private final Set<PcsId> reportedFirst = new HashSet<>();

        private final Map<PcsId, List<Arrival>> arrivals = new HashMap<>();

        /**
         * Ids that were removed from a log for good. Their acknowledged outcomes hold as long as the store loses nothing. Nothing is
         * known of later ones, since a copy of the store may still have the earlier one.
         */
        private final Set<PcsId> goneFromALog = new HashSet<>();

        private long count;

        /**
         * The arrival of a submission, whatever became of it.
         *
         * @param expiresAtMillis the end of its outcome's life, by the clock of the backend that received it
         * @param worldMillis the true time
         * @param startsBefore the number of processes started before
         */
        private record Arrival(long expiresAtMillis, long worldMillis, int startsBefore) {}

        long count() {
            return count;
        }

        Map<PcsId, StoredOutcome> acknowledged() {
            return acknowledged;
        }

        /** No flight shares outcomes of earlier lives any more. */
        void processDied() {
            expired.clear();
        }

        private void timePassed() {
            forgetIf(id -> acknowledged.get(id).isExpired(latestMillis) && !isAliveInItsProcess(id));
        }

        private List<Arrival> arrivals(PcsId id) {
            return arrivals.getOrDefault(id, List.of());
        }

        /** In the process that received it, an outcome lives its full time as elapsed time, whatever the clock was set to since. */
        private boolean isAliveInItsProcess(PcsId id) {
            long expiry = acknowledged.get(id).expiresAtMillis();
            long life = Simulation.TTL.minus(Clock.MAX_SKEW).toMillis();
            return clocks.size() == 1
                    && arrivals(id).stream()
                            .anyMatch(arrival -> arrival.expiresAtMillis() == expiry
                                    && arrival.startsBefore() == starts
                                    && nowMillis - arrival.worldMillis() < life);
        }

        /** @param arrivalMillis by the clock of the backend that receives it */
        void submitted(PcsId id, long arrivalMillis) {
            arrivals.computeIfAbsent(id, key -> new ArrayList<>())
                    .add(new Arrival(arrivalMillis + Simulation.TTL.toMillis(), nowMillis, starts));
        }

        /** Notes that records of these ids are gone from a log; of their outcomes, the store has what it has now. */
        void goneFromALog(Set<PcsId> ids, SimulatedDedup store) {
            goneFromALog.addAll(ids);
            forgetIf(id -> ids.contains(id) && !store.existing(id).equals(Optional.of(acknowledged.get(id))));
        }

        boolean isGoneFromALog(PcsId id) {
            return goneFromALog.contains(id);
        }

        /**
         * Notes that a store has lost something. Where clocks are set, an outcome that has expired by one time may be valid again by
         * another: any outcome is right for an id of which a submission ends at about this time.
         */
        void storeLost() {
            forgetIf(id -> goneFromALog.contains(id)
                    || arrivals(id).stream()
                            .anyMatch(arrival ->
                                    Math.abs(arrival.expiresAtMillis() - latestMillis) < clocksApartMillis()));
        }

        private void forgetIf(Predicate<PcsId> mayBeLost) {
            acknowledged.keySet().removeIf(id -> {
                boolean over = mayBeLost.test(id);
                if (over) {
                    hasExpired(id, acknowledged.get(id).body());
                    reportedFirst.remove(id);
                }
                return over;
            });
        }

        /** @param before the outcome that the store held when the submission arrived */
        void check(PcsId id, Optional<StoredOutcome> before, Outcome answer, SimulatedDedup store) {
            count++;
            if (!(answer instanceof Decided decided)) {
                assertThat(answer).as("no fault of ours").isNotEqualTo(Outcome.Refused.BROKEN);
                return;
            }
            before.filter(recorded -> recorded.isExpired(latestMillis))
                    .ifPresent(recorded -> hasExpired(id, recorded.body()));
            if (expired.getOrDefault(id, List.of()).stream().anyMatch(known -> Arrays.equals(known, decided.body()))) {
                return; // it was valid when the flight began
            }
            StoredOutcome known = acknowledged.get(id);
            if (known == null && goneFromALog.contains(id)) {
                return;
            }
            if (known == null) {
                // expired while it waited, or decided before without an answer: the present outcome counts from here on
                recorded(id, decided.body(), store)
                        .ifPresentOrElse(
                                recorded -> acknowledged.put(id, recorded), () -> hasExpired(id, decided.body()));
            } else {
                assertThat(decided.body()).as("%s changed", id).isEqualTo(known.body());
                assertThat(decided.status()).isEqualTo(known.status());
            }
            if (decided.relation() == Relation.FIRST && acknowledged.containsKey(id)) {
                // another backend may answer a duplicate sooner
                assertThat(reportedFirst.add(id))
                        .as("%s was the first before", id)
                        .isTrue();
            }
        }

        private Optional<StoredOutcome> recorded(PcsId id, byte[] body, SimulatedDedup store) {
            return store.existing(id)
                    .filter(existing -> Arrays.equals(existing.body(), body))
                    .or(() -> store.everRecorded(id).stream()
                            .filter(ever -> Arrays.equals(ever.body(), body))
                            .filter(ever -> !ever.isExpired(latestMillis))
                            .min(Comparator.comparingLong(StoredOutcome::expiresAtMillis)))
                    .filter(recorded -> !recorded.isExpired(latestMillis));
        }

        private void hasExpired(PcsId id, byte[] body) {
            expired.computeIfAbsent(id, key -> new ArrayList<>()).add(body);
        }
    }
}
