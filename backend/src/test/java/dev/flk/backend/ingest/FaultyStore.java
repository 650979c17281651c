// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.DedupStore;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/** A real store that can be unreachable or slow, or throw once. */
final class FaultyStore implements DedupStore {
    private final DedupStore store;
    private volatile boolean readsFail;
    private volatile boolean writesFail;
    private volatile @Nullable Queue<CompletableFuture<List<Optional<StoredOutcome>>>> slowReads;
    private volatile @Nullable Queue<CompletableFuture<Boolean>> slowEvidence;
    private volatile @Nullable Runnable beforePut;
    private volatile @Nullable Runnable beforeRoom;

    FaultyStore(DedupStore store) {
        this.store = store;
    }

    void down() {
        readsFail = true;
        writesFail = true;
    }

    void up() {
        readsFail = false;
        writesFail = false;
    }

    void failReads() {
        readsFail = true;
    }

    /** Holds back every later {@link #get}. Each future in the returned queue is one call, which the test completes. */
    Queue<CompletableFuture<List<Optional<StoredOutcome>>>> holdReads() {
        Queue<CompletableFuture<List<Optional<StoredOutcome>>>> held = new ConcurrentLinkedQueue<>();
        slowReads = held;
        return held;
    }

    /** Holds back every later {@link #knowsEvidence}, like {@link #holdReads}. */
    Queue<CompletableFuture<Boolean>> holdEvidence() {
        Queue<CompletableFuture<Boolean>> held = new ConcurrentLinkedQueue<>();
        slowEvidence = held;
        return held;
    }

    /** Sets an action that the next put with outcomes runs once; it may throw. */
    void beforePut(Runnable once) {
        beforePut = once;
    }

    /** Sets an action that the next call of {@link #hasRoomFor} runs once; it may throw. */
    void beforeRoom(Runnable once) {
        beforeRoom = once;
    }

    private static <T> CompletionStage<T> failed() {
        return CompletableFuture.failedFuture(
                new StoreUnavailableException("injected: out of reach", new IOException("injected")));
    }

    @Override
    public CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        Queue<CompletableFuture<List<Optional<StoredOutcome>>>> held = slowReads;
        if (held != null) {
            CompletableFuture<List<Optional<StoredOutcome>>> later = new CompletableFuture<>();
            held.add(later);
            return later;
        }
        return readsFail ? failed() : store.get(ids);
    }

    @Override
    public CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo) {
        if (writesFail) {
            return failed();
        }
        Runnable fault = beforePut;
        if (fault != null && !decisions.isEmpty()) {
            beforePut = null;
            fault.run();
        }
        return store.putIfAbsent(decisions, completeUpTo);
    }

    @Override
    public CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        Queue<CompletableFuture<Boolean>> held = slowEvidence;
        if (held != null) {
            CompletableFuture<Boolean> later = new CompletableFuture<>();
            held.add(later);
            return later;
        }
        return readsFail ? failed() : store.knowsEvidence(id, digest);
    }

    @Override
    public CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return writesFail ? failed() : store.noteEvidence(id, digest, expiresAtMillis);
    }

    @Override
    public CompletionStage<OptionalLong> connect() {
        return readsFail ? failed() : store.connect();
    }

    @Override
    public boolean isOwn() {
        return store.isOwn();
    }

    @Override
    public boolean hasRoomFor(long more) {
        Runnable fault = beforeRoom;
        if (fault != null) {
            beforeRoom = null;
            fault.run();
        }
        return store.hasRoomFor(more);
    }

    @Override
    public void close() {
        store.close();
    }
}
