// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Decided;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.certificate.PcsId;
import dev.flk.program.time.SteadyClock;
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

/**
 * The state that the simulated backends share: the time, and the model of the outcomes that were returned to callers.
 */
final class World {
    /** Whether to print every step; set by {@code -Dflk.trace=true}. */
    private static final boolean TRACE = Boolean.getBoolean("flk.trace");

    final Answers answers = new Answers();
    private final List<Clock> clocks = new ArrayList<>();
    private final Duration clocksApart;
    private @Nullable AssertionError broken;
    private long nowMillis = Instant.parse("2026-11-20T10:00:00Z").toEpochMilli();
    private long latestMillis = nowMillis;
    private int starts;

    /** Creates a world whose checks allow for no difference between clocks. */
    World() {
        this(Duration.ZERO);
    }

    /** @param clocksApart the largest difference between the readings of any two clocks at the same moment */
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

    /** Adds a clock for another backend and returns it. */
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

    /**
     * Returns the latest time that any backend has used to expire outcomes; an outcome that expires later is valid for
     * all backends.
     */
    long latestMillis() {
        return latestMillis;
    }

    /** Returns the largest amount by which any clock may be, or may become, slow. */
    long clocksApartMillis() {
        return clocksApart.toMillis();
    }

    /** Runs a check. If it fails inside a stage, which swallows the failure, {@link #requireUnbroken} reports it. */
    void check(Runnable check) {
        try {
            check.run();
        } catch (AssertionError e) {
            broken = broken == null ? e : broken;
            throw e;
        }
    }

    /** Throws the failure of the first check that failed, if any. */
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

    /**
     * The time of one backend: a wall clock that can be set, and the clock that the backend's process derives from it.
     */
    final class Clock {
        private static final Duration MAX_SKEW = Duration.ofMinutes(5);

        private long setByMillis;
        private SteadyClock steady = newSteady();

        /** Starts a process, which knows nothing about the clock of an earlier process. */
        void processStarted() {
            steady = newSteady();
            starts++;
        }

        private SteadyClock newSteady() {
            return new SteadyClock(this::now, World.this::nanos, MAX_SKEW, Simulation.TTL);
        }

        /** Sets the wall clock ahead of the world's time, or behind it if the duration is negative. */
        void set(Duration ahead) {
            setByMillis = ahead.toMillis();
            timePassed();
        }

        Instant now() {
            return Instant.ofEpochMilli(nowMillis + setByMillis);
        }

        /** Returns the clock that the process uses. */
        SteadyClock steady() {
            return steady;
        }
    }

    /**
     * The outcomes that any backend has acknowledged and that have not expired according to any clock. Every answer is
     * compared with them.
     */
    final class Answers {
        private final Map<PcsId, StoredOutcome> acknowledged = new HashMap<>();

        /**
         * Outcomes that have expired. A flight that began before the expiry may still return one to all callers that
         * share it.
         */
        private final Map<PcsId, List<byte[]>> expired = new HashMap<>();

        /** The ids whose current outcome was returned as the first. */
        private final Set<PcsId> reportedFirst = new HashSet<>();

        private final Map<PcsId, List<Arrival>> arrivals = new HashMap<>();

        /**
         * The ids whose records were permanently removed from a log. Their acknowledged outcomes remain valid as long
         * as the store loses nothing. Later outcomes can't be predicted, because a copy of the store may still contain
         * an earlier one.
         */
        private final Set<PcsId> goneFromALog = new HashSet<>();

        private long count;

        /**
         * The arrival of a submission, regardless of its outcome.
         *
         * @param expiresAtMillis the time at which its outcome expires, according to the clock of the backend that
         *     received it
         * @param worldMillis the true time
         * @param startsBefore the number of processes that were started before the arrival
         */
        private record Arrival(long expiresAtMillis, long worldMillis, int startsBefore) {}

        long count() {
            return count;
        }

        Map<PcsId, StoredOutcome> acknowledged() {
            return acknowledged;
        }

        /** Forgets the expired outcomes, because the flights of the process can't return them any more. */
        void processDied() {
            expired.clear();
        }

        private void timePassed() {
            forgetIf(id -> acknowledged.get(id).isExpired(latestMillis) && !isAliveInItsProcess(id));
        }

        private List<Arrival> arrivals(PcsId id) {
            return arrivals.getOrDefault(id, List.of());
        }

        /**
         * Returns whether the process that received the submission still keeps its outcome; always false with several
         * backends. That process measures the lifetime as elapsed time, regardless of later changes of the wall clock.
         */
        private boolean isAliveInItsProcess(PcsId id) {
            long expiry = acknowledged.get(id).expiresAtMillis();
            long life = Simulation.TTL.minus(Clock.MAX_SKEW).toMillis();
            return clocks.size() == 1
                    && arrivals(id).stream()
                            .anyMatch(arrival -> arrival.expiresAtMillis() == expiry
                                    && arrival.startsBefore() == starts
                                    && nowMillis - arrival.worldMillis() < life);
        }

        /** @param arrivalMillis the arrival time according to the clock of the backend that receives the submission */
        void submitted(PcsId id, long arrivalMillis) {
            arrivals.computeIfAbsent(id, key -> new ArrayList<>())
                    .add(new Arrival(arrivalMillis + Simulation.TTL.toMillis(), nowMillis, starts));
        }

        /**
         * Notes that records of these ids were removed from a log; only outcomes that the store has now remain valid.
         */
        void goneFromALog(Set<PcsId> ids, SimulatedDedup store) {
            goneFromALog.addAll(ids);
            forgetIf(id -> ids.contains(id) && !store.existing(id).equals(Optional.of(acknowledged.get(id))));
        }

        boolean isGoneFromALog(PcsId id) {
            return goneFromALog.contains(id);
        }

        /**
         * Notes that a store has lost outcomes. If clocks were set, an outcome that has expired according to one clock
         * may still be valid according to another. Any outcome is therefore accepted for an id if an outcome of one of
         * its submissions expires at about this time.
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

        /**
         * @param before the outcome that the store held when the submission arrived
         * @param own the outcome of the submission itself
         */
        void check(PcsId id, Optional<StoredOutcome> before, Outcome answer, SimulatedDedup store, StoredOutcome own) {
            count++;
            if (!(answer instanceof Decided decided)) {
                assertThat(answer).as("no fault of ours").isNotEqualTo(Outcome.Refused.BROKEN);
                return;
            }
            before.filter(recorded -> recorded.isExpired(latestMillis))
                    .ifPresent(recorded -> hasExpired(id, recorded.body()));
            if (expired.getOrDefault(id, List.of()).stream().anyMatch(known -> Arrays.equals(known, decided.body()))) {
                return; // the outcome was valid when the flight began
            }
            StoredOutcome known = acknowledged.get(id);
            if (known == null && goneFromALog.contains(id)) {
                return;
            }
            if (known == null) {
                // the earlier outcome expired while the submission waited, or was decided but never returned; from now
                // on, answers are compared with the current outcome
                recorded(id, decided.body(), store)
                        .or(() -> firstBeforeItIsRecorded(decided, own))
                        .ifPresentOrElse(
                                recorded -> acknowledged.put(id, recorded), () -> hasExpired(id, decided.body()));
            } else {
                assertThat(decided.body()).as("%s changed", id).isEqualTo(known.body());
                assertThat(decided.status()).isEqualTo(known.status());
            }
            if (decided.relation() == Relation.FIRST && acknowledged.containsKey(id)) {
                // another backend may answer a duplicate before the first submission is answered
                assertThat(reportedFirst.add(id))
                        .as("%s was the first before", id)
                        .isTrue();
            }
        }

        /** Returns the outcome of a submission that was answered as soon as it was in the log. */
        private Optional<StoredOutcome> firstBeforeItIsRecorded(Decided decided, StoredOutcome own) {
            return Optional.of(own)
                    .filter(first -> decided.relation() == Relation.FIRST)
                    .filter(first -> Arrays.equals(first.body(), decided.body()) && !first.isExpired(latestMillis));
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
