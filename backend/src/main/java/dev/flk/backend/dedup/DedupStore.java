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
 * The store of outcomes: the first outcome of an id remains until it expires. Safe for any thread. A stage that fails
 * with {@link StoreUnavailableException} says nothing about the stored data: a failed read is never a miss, and a
 * failed write may have taken effect.
 */
public interface DedupStore extends AutoCloseable {

    /** Returns the stored outcome for each of the ids, in their order; empty for an id without one. */
    CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids);

    /**
     * Records each outcome unless its id already has one.
     *
     * @param decisions outcomes with distinct ids
     * @param completeUpTo the low-water mark: everything in the log up to this sequence is decided and recorded here.
     *     It is stored atomically with the outcomes, even if it is lower than the previous one
     * @return the stored outcome for each of them, in their order: the given one, or the one that was first
     */
    CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo);

    /** Returns whether the log is noted to contain other content with this digest under this id. */
    default CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return CompletableFuture.completedFuture(false);
    }

    /**
     * Notes that content, and returns whether it did; a store that is rebuilt from the entire log at each start needs
     * no notes.
     */
    default CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return CompletableFuture.completedFuture(false);
    }

    /**
     * Connects, at startup and after any failure; no other call works before. Outstanding calls fail, now or at their
     * own time-outs ({@link GuardedStore} does not wait for them). If one of them takes effect after this call, the
     * store refuses it, or it makes the next put be refused: from now on, a store that others can change refuses every
     * put, without writing, unless it still holds the position that this store last wrote or reads here. Therefore a
     * store that was emptied, or restored from an older copy, is never mistaken for the earlier one.
     *
     * @return the sequence up to which the store is complete for this log; empty if it knows none, for example because
     *     it is new
     */
    CompletionStage<OptionalLong> connect();

    /**
     * Makes recorded outcomes and the position durable, where the store does not do so by itself.
     *
     * @throws StoreUnavailableException if that fails
     */
    default void sync() {}

    /** Returns whether there is room for this many more outcomes. */
    default boolean hasRoomFor(long more) {
        return true;
    }

    /** Makes everything that was recorded durable, with the position, and releases all resources. Idempotent. */
    @Override
    void close();
}
