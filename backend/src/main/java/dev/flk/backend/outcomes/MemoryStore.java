// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.certificate.PcsId;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.PriorityQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * Outcomes in a bounded map. The store has no position: a start rebuilds it from the entire log. When the map is full,
 * ingest rejects new submissions. Submissions that are already in the log are still recorded; the map may therefore
 * exceed its bound.
 */
public final class MemoryStore implements DedupStore {
    /** The approximate number of bytes of memory that an outcome takes. */
    public static final long ENTRY_BYTES = 256;

    private final long maxEntries;
    private final InstantSource clock;

    // guarded by this
    private final Map<PcsId, StoredOutcome> outcomes = new HashMap<>();
    private final PriorityQueue<StoredOutcome> byExpiry =
            new PriorityQueue<>(Comparator.comparingLong(StoredOutcome::expiresAtMillis));

    /** Creates a store for at most {@code maxEntries} outcomes. */
    public MemoryStore(long maxEntries, InstantSource clock) {
        this.maxEntries = maxEntries;
        this.clock = clock;
    }

    @Override
    public synchronized CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        long now = clock.millis();
        return CompletableFuture.completedFuture(
                ids.stream().map(id -> existing(id, now)).toList());
    }

    @Override
    public synchronized CompletionStage<List<StoredOutcome>> putIfAbsent(
            List<StoredOutcome> decisions, long completeUpTo) {
        long now = clock.millis();
        removeExpired(now);
        List<StoredOutcome> existing = new ArrayList<>(decisions.size());
        for (StoredOutcome decision : decisions) {
            Optional<StoredOutcome> earlier = existing(decision.id(), now);
            if (earlier.isEmpty()) {
                outcomes.put(decision.id(), decision);
                byExpiry.add(decision);
            }
            existing.add(earlier.orElse(decision));
        }
        return CompletableFuture.completedFuture(existing);
    }

    private Optional<StoredOutcome> existing(PcsId id, long nowMillis) {
        return Optional.ofNullable(outcomes.get(id)).filter(recorded -> !recorded.isExpired(nowMillis));
    }

    private void removeExpired(long nowMillis) {
        for (StoredOutcome first = byExpiry.peek();
                first != null && first.isExpired(nowMillis);
                first = byExpiry.peek()) {
            byExpiry.remove();
            outcomes.remove(first.id(), first);
        }
    }

    @Override
    public CompletionStage<OptionalLong> connect() {
        return CompletableFuture.completedFuture(OptionalLong.empty());
    }

    @Override
    public boolean isOwn() {
        return true;
    }

    @Override
    public synchronized boolean hasRoomFor(long more) {
        removeExpired(clock.millis());
        return outcomes.size() + more <= maxEntries;
    }

    @Override
    public void close() {
        // nothing to release
    }
}
