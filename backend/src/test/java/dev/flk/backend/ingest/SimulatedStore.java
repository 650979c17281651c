// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.StoreUnavailableException;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.io.IOException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * A store as the embedded one is: what was written since the last flush is lost with the process, outcomes and position together. It
 * can be out of reach, and it can time out although it did what it was asked.
 */
final class SimulatedStore implements SimulatedDedup {
    private InstantSource expiry;
    private final Map<PcsId, List<StoredOutcome>> ever = new HashMap<>();
    private State live = new State();
    private State flushed = new State();
    private Mood mood = Mood.UP;

    /** How it answers. */
    enum Mood {
        UP,
        READS_FAIL,
        DOWN,
        TIMES_OUT_WITH_EFFECT
    }

    private record Content(PcsId id, ContentDigest digest) {}

    private static final class State {
        final Map<PcsId, StoredOutcome> outcomes = new HashMap<>();
        final Set<Content> evidence = new HashSet<>();
        OptionalLong position = OptionalLong.empty();

        State copy() {
            State copy = new State();
            copy.outcomes.putAll(outcomes);
            copy.evidence.addAll(evidence);
            copy.position = position;
            return copy;
        }
    }

    SimulatedStore(World world) {
        this.expiry = world::now;
    }

    @Override
    public void expiresBy(InstantSource told) {
        expiry = told;
    }

    void setMood(Mood mood) {
        this.mood = mood;
    }

    /** Another backend on the same store was first. */
    void putByAnother(StoredOutcome recorded) {
        live.outcomes.putIfAbsent(recorded.id(), recorded);
        ever.computeIfAbsent(recorded.id(), id -> new ArrayList<>()).add(recorded);
    }

    @Override
    public boolean isReachable() {
        return mood == Mood.UP;
    }

    @Override
    public boolean step() {
        return false; // it answers at once
    }

    void flush() {
        flushed = live.copy();
    }

    @Override
    public long durablyCompleteUpTo() {
        return flushed.position.orElse(0);
    }

    @Override
    public void disownPositions() {
        // no copies are put back
    }

    @Override
    public void processDied() {
        live = flushed.copy();
        mood = Mood.UP;
    }

    /** Somebody removed it. */
    void empty() {
        live = new State();
        flushed = new State();
    }

    @Override
    public Optional<StoredOutcome> existing(PcsId id) {
        return Optional.ofNullable(live.outcomes.get(id)).filter(recorded -> !recorded.isExpired(expiry.millis()));
    }

    @Override
    public List<StoredOutcome> everRecorded(PcsId id) {
        return ever.getOrDefault(id, List.of());
    }

    private static <T> CompletionStage<T> failed() {
        return CompletableFuture.failedFuture(
                new StoreUnavailableException("simulated: out of reach", new IOException("simulated")));
    }

    @Override
    public CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        return mood == Mood.DOWN || mood == Mood.READS_FAIL
                ? failed()
                : CompletableFuture.completedFuture(
                        ids.stream().map(this::existing).toList());
    }

    @Override
    public CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo) {
        if (mood == Mood.DOWN) {
            return failed();
        }
        if (decisions.stream().map(StoredOutcome::id).distinct().count() < decisions.size()) {
            throw new IllegalStateException("a list that holds an id twice");
        }
        List<StoredOutcome> existing = new ArrayList<>();
        for (StoredOutcome decision : decisions) {
            StoredOutcome winner = existing(decision.id()).orElse(decision);
            live.outcomes.put(decision.id(), winner);
            ever.computeIfAbsent(decision.id(), id -> new ArrayList<>()).add(winner);
            existing.add(winner);
        }
        live.position = OptionalLong.of(completeUpTo);
        return mood == Mood.TIMES_OUT_WITH_EFFECT ? failed() : CompletableFuture.completedFuture(existing);
    }

    @Override
    public CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return mood == Mood.DOWN || mood == Mood.READS_FAIL
                ? failed()
                : CompletableFuture.completedFuture(live.evidence.contains(new Content(id, digest)));
    }

    @Override
    public CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        if (mood == Mood.DOWN) {
            return failed();
        }
        live.evidence.add(new Content(id, digest));
        return CompletableFuture.completedFuture(true);
    }

    @Override
    public CompletionStage<OptionalLong> connect() {
        return mood == Mood.DOWN || mood == Mood.READS_FAIL
                ? failed()
                : CompletableFuture.completedFuture(live.position);
    }

    @Override
    public void sync() {
        flush();
    }

    @Override
    public void close() {
        flush();
    }
}
