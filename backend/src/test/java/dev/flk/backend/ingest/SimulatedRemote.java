// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.StoreUnavailableException;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.io.IOException;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A store that backends share over a network, as Redis and Postgres are: calls of one connection take effect in order, or not at all;
 * what timed out may take effect later. It can be out of reach, emptied, and put back to an older copy.
 */
final class SimulatedRemote {
    private final World world;
    private final Random random;
    private final Set<Flaw> flaws;
    private final Map<PcsId, List<StoredOutcome>> ever = new HashMap<>();

    /** Calls of connections that were given up, which may still take effect: each connection's in their order. */
    private final List<Deque<Call<?>>> late = new ArrayList<>();

    /** Logs that have lost their end, and have written no position since. */
    private final Set<String> disowned = new HashSet<>();

    private State live = new State();
    private State older = new State();
    private boolean reachable = true;

    private static final class State {
        final Map<PcsId, StoredOutcome> outcomes = new HashMap<>();
        final Map<String, String> positions = new HashMap<>();
        final Set<String> evidence = new HashSet<>();

        State copy() {
            State copy = new State();
            copy.outcomes.putAll(outcomes);
            copy.positions.putAll(positions);
            copy.evidence.addAll(evidence);
            return copy;
        }
    }

    /** What a call does at the store, and who waits for it. */
    private static final class Call<T> {
        final Supplier<T> effect;
        final CompletableFuture<T> answer = new CompletableFuture<>();
        boolean done;

        @Nullable
        T value;

        @Nullable
        RuntimeException failure;

        Call(Supplier<T> effect) {
            this.effect = effect;
        }

        void takeEffect() {
            if (!done) {
                done = true;
                try {
                    value = effect.get();
                } catch (RuntimeException e) {
                    failure = e;
                }
            }
        }

        void tellAnswer() {
            if (failure != null) {
                answer.completeExceptionally(failure);
            } else {
                answer.complete(value);
            }
        }
    }

    /** What a store, or who speaks to it, may get wrong. */
    enum Flaw {
        PUTS_WITHOUT_COMPARING,
        GETS_WITHOUT_COMPARING,
        USES_A_TOKEN_AGAIN,
        TAKES_A_FAILED_READ_FOR_A_MISS
    }

    SimulatedRemote(World world, Random random, Set<Flaw> flaws) {
        this.world = world;
        this.random = random;
        this.flaws = flaws;
    }

    void setReachable(boolean reachable) {
        this.reachable = reachable;
    }

    boolean isReachable() {
        return reachable;
    }

    void empty() {
        live = new State();
    }

    void takeCopy() {
        older = live.copy();
        older.positions.keySet().removeAll(disowned);
    }

    void putBackCopy() {
        live = older.copy();
    }

    /** A call that was given up takes effect after all; false if there is none. */
    boolean stepLate() {
        late.removeIf(Deque::isEmpty);
        if (late.isEmpty()) {
            return false;
        }
        late.get(random.nextInt(late.size())).removeFirst().takeEffect();
        return true;
    }

    void putByAnother(StoredOutcome recorded) {
        live.outcomes.putIfAbsent(recorded.id(), recorded);
        ever.computeIfAbsent(recorded.id(), id -> new ArrayList<>()).add(recorded);
    }

    private Optional<StoredOutcome> standingAt(long nowMillis, PcsId id) {
        return Optional.ofNullable(live.outcomes.get(id)).filter(recorded -> !recorded.isExpired(nowMillis));
    }

    List<StoredOutcome> everRecorded(PcsId id) {
        return ever.getOrDefault(id, List.of());
    }

    private static StoreUnavailableException unavailable(String what) {
        return new StoreUnavailableException("simulated: " + what, new IOException(what));
    }

    private boolean isAt(String logId, String expected) {
        return flaws.contains(Flaw.PUTS_WITHOUT_COMPARING)
                || live.positions.getOrDefault(logId, "").equals(expected);
    }

    private List<StoredOutcome> put(
            String logId, String expected, String next, List<StoredOutcome> decisions, long nowMillis) {
        if (!isAt(logId, expected)) {
            throw unavailable("the position is not the one last written");
        }
        if (decisions.stream().map(StoredOutcome::id).distinct().count() < decisions.size()) {
            throw new IllegalStateException("a list that holds an id twice");
        }
        List<StoredOutcome> existing = new ArrayList<>();
        for (StoredOutcome decision : decisions) {
            Optional<StoredOutcome> earlier = standingAt(nowMillis, decision.id());
            if (earlier.isEmpty() && decision.isExpired(nowMillis)) {
                throw unavailable("a time to live that is not above 0");
            }
            if (earlier.isEmpty()) {
                live.outcomes.put(decision.id(), decision);
                ever.computeIfAbsent(decision.id(), id -> new ArrayList<>()).add(decision);
            }
            existing.add(earlier.orElse(decision));
        }
        live.positions.put(logId, next);
        disowned.remove(logId);
        return existing;
    }

    /** One backend's connection to it; what has expired is told by the backend's clock, as it was when the call was made. */
    final class Client implements SimulatedDedup {
        private final String logId;
        private InstantSource expiry = world::now;
        private Deque<Call<?>> wire = new ArrayDeque<>();
        private String readEntry = "";
        private String expected = "";
        private String incarnation = "";
        private long counter;
        private long acknowledged;
        private boolean failed = true;

        Client(String logId) {
            this.logId = logId;
        }

        @Override
        public void expiresBy(InstantSource told) {
            expiry = told;
        }

        private <T> CompletionStage<T> call(Supplier<T> effect) {
            if (!reachable || failed) {
                failed = true;
                return CompletableFuture.failedFuture(unavailable("out of reach"));
            }
            Call<T> call = new Call<>(effect);
            wire.addLast(call);
            return call.answer;
        }

        @Override
        public CompletionStage<OptionalLong> connect() {
            giveUp("connected again");
            failed = false;
            incarnation = flaws.contains(Flaw.USES_A_TOKEN_AGAIN) ? "0" : Long.toHexString(random.nextLong());
            counter = 0;
            acknowledged = 0;
            return call(() -> live.positions.getOrDefault(logId, "")).thenApply(entry -> {
                readEntry = entry;
                expected = entry;
                return entry.isEmpty()
                        ? OptionalLong.empty()
                        : OptionalLong.of(Long.parseLong(entry.split(" ", -1)[0]));
            });
        }

        @Override
        public CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo) {
            long number = flaws.contains(Flaw.USES_A_TOKEN_AGAIN) ? 0 : ++counter;
            String before = expected;
            String next = completeUpTo + " " + incarnation + " " + number;
            long now = expiry.millis();
            expected = next;
            return call(() -> put(logId, before, next, decisions, now)).whenComplete((existing, failure) -> {
                if (failure == null) {
                    acknowledged = number;
                } else {
                    failed = true;
                }
            });
        }

        @Override
        public CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
            long atLeast = acknowledged;
            if (!reachable && flaws.contains(Flaw.TAKES_A_FAILED_READ_FOR_A_MISS)) {
                return CompletableFuture.completedFuture(
                        ids.stream().map(id -> Optional.<StoredOutcome>empty()).toList());
            }
            long now = expiry.millis();
            return call(() -> {
                requireOurs(live.positions.getOrDefault(logId, ""), atLeast);
                return ids.stream().map(id -> standingAt(now, id)).toList();
            });
        }

        private void requireOurs(String entry, long atLeast) {
            boolean unwritten = atLeast == 0 && entry.equals(readEntry);
            String[] fields = entry.split(" ", -1);
            boolean ours = fields.length == 3 && fields[1].equals(incarnation) && Long.parseLong(fields[2]) >= atLeast;
            if (!unwritten && !ours && !flaws.contains(Flaw.GETS_WITHOUT_COMPARING)) {
                throw unavailable("the position is not the one last written");
            }
        }

        @Override
        public CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
            return call(() -> live.evidence.contains(id + " " + digest.hex()));
        }

        @Override
        public CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
            return call(() -> live.evidence.add(id + " " + digest.hex()));
        }

        /** All that is outstanding times out; what has not taken effect may do so later. False if nothing was. */
        boolean timeOut() {
            boolean outstanding = !wire.isEmpty();
            failed |= outstanding;
            giveUp("timed out");
            return outstanding;
        }

        private void giveUp(String why) {
            Deque<Call<?>> given = wire;
            wire = new ArrayDeque<>();
            Deque<Call<?>> undone = new ArrayDeque<>(given);
            undone.removeIf(call -> call.done);
            late.add(undone);
            given.forEach(call -> call.answer.completeExceptionally(unavailable(why)));
        }

        /** The oldest call that has not taken effect does so, and nobody is told yet. */
        void stepUnanswered() {
            wire.stream().filter(call -> !call.done).findFirst().ifPresent(Call::takeEffect);
        }

        @Override
        public boolean step() {
            Call<?> oldest = wire.pollFirst();
            if (oldest == null) {
                return false;
            }
            oldest.takeEffect();
            oldest.tellAnswer();
            return true;
        }

        @Override
        public void processDied() {
            giveUp("the process died");
        }

        @Override
        public long durablyCompleteUpTo() {
            String entry = live.positions.getOrDefault(logId, "");
            return entry.isEmpty() ? 0 : Long.parseLong(entry.split(" ", -1)[0]);
        }

        @Override
        public void disownPositions() {
            disowned.add(logId);
            older.positions.remove(logId);
        }

        @Override
        public boolean isReachable() {
            return reachable;
        }

        @Override
        public Optional<StoredOutcome> existing(PcsId id) {
            return standingAt(expiry.millis(), id);
        }

        @Override
        public List<StoredOutcome> everRecorded(PcsId id) {
            return SimulatedRemote.this.everRecorded(id);
        }

        @Override
        public void close() {
            giveUp("closed");
        }
    }
}
