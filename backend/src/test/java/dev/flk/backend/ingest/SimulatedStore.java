// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.SimulatedDedup.unavailable;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.time.InstantSource;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A store like the embedded one: when the process dies, all outcomes and positions written since the last flush are
 * lost together. The store can become unreachable, and a call can time out although it took effect.
 */
final class SimulatedStore implements SimulatedDedup {
    private static final String POSITION = "the only log";

    private InstantSource expiry;
    private Content live = new Content();
    private Content flushed = live.copy();
    private Mood mood = Mood.UP;
    private String logId = "";
    private final boolean isOwn;
    private @Nullable Runnable beforePut;
    private @Nullable Runnable beforeRoom;

    /** The way in which the store answers calls. */
    enum Mood {
        UP,
        READS_FAIL,
        DOWN,
        TIMES_OUT_WITH_EFFECT
    }

    /** Creates a store into which only one process writes. */
    SimulatedStore(World world) {
        this(world, true);
    }

    SimulatedStore(World world, boolean isOwn) {
        this.isOwn = isOwn;
        this.expiry = world::now;
    }

    @Override
    public void expiresBy(InstantSource clock) {
        expiry = clock;
    }

    @Override
    public void startsWith(String id) {
        if (!logId.equals(id)) { // the log is new, and takes the store over
            live.positions.clear();
            logId = id;
        }
    }

    void setMood(Mood mood) {
        this.mood = mood;
    }

    /** Sets an action that the next put with outcomes runs once; it may throw. */
    void beforePut(Runnable once) {
        beforePut = once;
    }

    /** Sets an action that the next call of {@link #hasRoomFor} runs once; it may throw. */
    void beforeRoom(Runnable once) {
        beforeRoom = once;
    }

    @Override
    public boolean hasRoomFor(long more) {
        Runnable fault = beforeRoom;
        if (fault != null) {
            beforeRoom = null;
            fault.run();
        }
        return true;
    }

    @Override
    public boolean isOwn() {
        return isOwn;
    }

    /** Records an outcome of another backend that decided first. */
    void putByAnother(StoredOutcome recorded) {
        live.putIfAbsent(recorded, expiry.millis());
    }

    @Override
    public boolean isReachable() {
        return mood == Mood.UP;
    }

    @Override
    public boolean step() {
        return false; // every call is answered immediately
    }

    void flush() {
        flushed = live.copy();
    }

    private static OptionalLong position(Content content) {
        String position = content.positions.get(POSITION);
        return position == null ? OptionalLong.empty() : OptionalLong.of(Long.parseLong(position));
    }

    @Override
    public long durablyCompleteUpTo() {
        return position(flushed).orElse(0);
    }

    @Override
    public void disownPositions() {
        // this store is never restored from a copy
    }

    @Override
    public void processDied() {
        live = flushed.copy();
        mood = Mood.UP;
    }

    /** Simulates the removal of the store's files. */
    void empty() {
        live = live.emptied();
        flushed = live.emptied();
    }

    @Override
    public Optional<StoredOutcome> existing(PcsId id) {
        return live.existing(id, expiry.millis());
    }

    @Override
    public List<StoredOutcome> everRecorded(PcsId id) {
        return live.everRecorded(id);
    }

    private static <T> CompletionStage<T> failed() {
        return CompletableFuture.failedFuture(unavailable("out of reach"));
    }

    private <T> CompletionStage<T> read(Supplier<T> value) {
        return mood == Mood.DOWN || mood == Mood.READS_FAIL ? failed() : CompletableFuture.completedFuture(value.get());
    }

    @Override
    public CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        return read(() -> ids.stream().map(this::existing).toList());
    }

    @Override
    public CompletionStage<List<StoredOutcome>> putIfAbsent(
            List<StoredOutcome> decisions, BitSet first, long completeUpTo) {
        assertThat(first.stream().mapToObj(decisions::get).filter(given -> !isNew(given)))
                .as("a store that reads no outcome that is the first")
                .isEmpty();
        return putIfAbsent(decisions, completeUpTo);
    }

    private boolean isNew(StoredOutcome given) {
        return existing(given.id()).filter(other -> !other.equals(given)).isEmpty();
    }

    @Override
    public CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo) {
        if (mood == Mood.DOWN) {
            return failed();
        }
        Runnable fault = beforePut;
        if (fault != null && !decisions.isEmpty()) {
            beforePut = null;
            fault.run();
        }
        Content.requireDistinct(decisions);
        List<StoredOutcome> existing = decisions.stream()
                .map(decision -> live.putIfAbsent(decision, expiry.millis()))
                .toList();
        live.positions.put(POSITION, Long.toString(completeUpTo));
        return mood == Mood.TIMES_OUT_WITH_EFFECT ? failed() : CompletableFuture.completedFuture(existing);
    }

    @Override
    public CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return read(() -> live.evidence.contains(id + " " + digest.hex()));
    }

    @Override
    public CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        if (mood == Mood.DOWN) {
            return failed();
        }
        live.evidence.add(id + " " + digest.hex());
        return CompletableFuture.completedFuture(true);
    }

    @Override
    public CompletionStage<OptionalLong> connect() {
        return read(() -> position(live));
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
