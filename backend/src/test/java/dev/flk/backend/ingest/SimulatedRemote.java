// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.SimulatedDedup.unavailable;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.ingest.SimulatedDedup.Content;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A store that backends share over a network, like Redis and Postgres. The calls of a connection take effect in order
 * or not at all, and a call that timed out may take effect later. The store can become unreachable, be emptied, and be
 * restored from an older copy.
 */
final class SimulatedRemote {
    private final World world;
    private final Random random;
    private final Set<Flaw> flaws;

    /** The calls of abandoned connections that may still take effect, in order for each connection. */
    private final List<Deque<Call<?>>> late = new ArrayList<>();

    /** The ids of logs that have lost their end and have not written a position since then. */
    private final Set<String> disowned = new HashSet<>();

    private Content live = new Content();
    private Content older = live.copy();
    private boolean reachable = true;

    /** The effect of a call on the store, and the future that the caller waits for. */
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

        void complete() {
            if (failure != null) {
                answer.completeExceptionally(failure);
            } else {
                answer.complete(value);
            }
        }
    }

    /** The bugs that a store or its client may have. */
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

    void empty() {
        live = live.emptied();
    }

    void takeCopy() {
        older = live.copy();
        older.positions.keySet().removeAll(disowned);
    }

    void putBackCopy() {
        live = older.copy();
    }

    /** Lets an abandoned call take effect; returns false if there is none. */
    boolean stepLate() {
        late.removeIf(Deque::isEmpty);
        if (late.isEmpty()) {
            return false;
        }
        late.get(random.nextInt(late.size())).removeFirst().takeEffect();
        return true;
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
        Content.requireDistinct(decisions);
        List<StoredOutcome> existing = new ArrayList<>();
        for (StoredOutcome decision : decisions) {
            if (decision.isExpired(nowMillis)
                    && live.existing(decision.id(), nowMillis).isEmpty()) {
                throw unavailable("a time to live that is not above 0");
            }
            existing.add(live.putIfAbsent(decision, nowMillis));
        }
        live.positions.put(logId, next);
        disowned.remove(logId);
        return existing;
    }

    /** The connection of one backend. Outcomes expire according to the backend's clock at the time of the call. */
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
        public void expiresBy(InstantSource clock) {
            expiry = clock;
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
                return ids.stream().map(id -> live.existing(id, now)).toList();
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

        /** Times out all outstanding calls, which may still take effect later; returns false if there are none. */
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

        /** Lets the oldest call that is still pending take effect, but does not answer it. */
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
            oldest.complete();
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
            return live.existing(id, expiry.millis());
        }

        @Override
        public List<StoredOutcome> everRecorded(PcsId id) {
            return live.everRecorded(id);
        }

        @Override
        public void close() {
            giveUp("closed");
        }
    }
}
