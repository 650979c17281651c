// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * Where outcomes are recorded: the first one for an id stands until it expires. Safe for any thread. A stage that fails with
 * {@link StoreUnavailableException} says nothing about what is recorded: a failed read is never a miss, and a failed write may
 * have taken effect.
 */
public interface DedupStore extends AutoCloseable {

    /** What stands for each of the ids, in their order; empty where nothing does. */
    CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids);

    /**
     * Records each outcome unless one stands for its id already.
     *
     * @param decisions no two of the same id
     * @param completeUpTo the low-water mark: everything in the log up to this sequence is decided and recorded here; kept
     *     with the outcomes, all of them or none, also if it is below the one before
     * @return what stands now for each of them, in their order: the one given, or the one that was first
     */
    CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo);

    /** Whether it is noted that other content with this digest, under this id, is in the log. */
    default CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return CompletableFuture.completedFuture(false);
    }

    /** Notes that, and says whether it did; a store that is rebuilt from the whole log at each start needs no note. */
    default CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return CompletableFuture.completedFuture(false);
    }

    /**
     * Connects, at a start and after any failure; nothing else works before it. What is outstanding fails, now or when its own
     * time-out is over ({@link GuardedStore} waits for none of it), and if it takes effect later than this, that is refused or shows as
     * a refusal of the next put: from now on a store that others can change
     * refuses every put, writing nothing, unless it still holds the position that this store last wrote there or reads here. So
     * a store that was emptied, or put back to an older copy, is never taken for the one that was left.
     *
     * @return the sequence up to which the store is complete for this log; empty if it knows of none, as when it is new
     */
    CompletionStage<OptionalLong> connect();

    /**
     * Makes what was recorded, and the position, durable, as far as the store does not do that by itself.
     *
     * @throws StoreUnavailableException if that failed
     */
    default void sync() {}

    /** Whether there is room for this many more outcomes. */
    default boolean hasRoomFor(long more) {
        return true;
    }

    /** Makes everything durable that was recorded, with the position, and gives everything back. Idempotent. */
    @Override
    void close();
}
