// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * The store of outcomes: the first outcome of an id remains until it expires. Safe for any thread. A stage that fails
 * with {@link StoreUnavailableException} says nothing about the stored data: after a failed read, an outcome may exist,
 * and a failed write may have taken effect.
 */
public interface DedupStore extends AutoCloseable {

    /** Returns the stored outcome of each id, in the order of {@code ids}; empty for an id without an outcome. */
    CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids);

    /**
     * Records each outcome, unless its id already has an outcome that has not expired.
     *
     * @param decisions outcomes with distinct ids
     * @param completeUpTo the low-water mark: everything in the log up to this sequence is decided and recorded in this
     *     store. The mark is stored atomically with the outcomes, even if it is lower than the previous mark
     * @return for each decision, in order, the outcome that is now stored under its id: the decision itself, or an
     *     outcome that was recorded earlier
     */
    CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo);

    /**
     * Works like {@link #putIfAbsent(List, long)}; a store may spare itself the read of an outcome that is the first.
     *
     * @param first the indexes of the decisions whose ids this connection of the store does not have, because it did
     *     not find them and the caller has put nothing under them since; always empty unless {@link #isOwn}
     */
    default CompletionStage<List<StoredOutcome>> putIfAbsent(
            List<StoredOutcome> decisions, BitSet first, long completeUpTo) {
        return putIfAbsent(decisions, completeUpTo);
    }

    /**
     * Returns whether the log contains evidence with this id and content digest, according to a note of {@link
     * #noteEvidence} that has not expired.
     */
    default CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return CompletableFuture.completedFuture(false);
    }

    /**
     * Notes that the log contains evidence with this id and content digest. The note expires at {@code
     * expiresAtMillis}, in milliseconds since the epoch. Returns false if the store keeps no such notes because it is
     * rebuilt from the entire log at each start.
     */
    default CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return CompletableFuture.completedFuture(false);
    }

    /**
     * Notes that this backend's log has the body of a certificate whose outcome another log decided. Does nothing if the
     * stored outcome has changed, or if the store does not know the logs of its outcomes.
     *
     * @param existing the outcome as a call has returned it
     */
    default CompletionStage<Boolean> adopt(StoredOutcome existing) {
        return CompletableFuture.completedFuture(false);
    }

    /**
     * Connects the store. Must be called at startup and after any failure, before any other call. Outstanding calls of
     * an earlier connection fail, now or at their own time-outs ({@link GuardedStore} does not wait for them).
     *
     * <p>A store that other processes can change keeps a position for this log: the sequence up to which the store is
     * complete, together with a value that differs for each write. This call reads the position. From now on, a put
     * first compares the stored position with the position that this connection last read or wrote. If the two
     * positions differ, the put fails and writes nothing. This check detects that the store was emptied or restored
     * from an older copy. It also detects a put of an earlier connection that arrives late: either the late put fails,
     * or the next put of this connection.
     *
     * @return the sequence up to which the store is complete for this log; empty if the store knows no such sequence,
     *     for example because it is new
     */
    CompletionStage<OptionalLong> connect();

    /**
     * Makes recorded outcomes and the position durable; does nothing in a store whose puts are durable by themselves.
     *
     * @throws StoreUnavailableException if the store can't make them durable
     */
    default void sync() {}

    /**
     * Returns whether no other process writes into the store. An id that a look-up did not find has no outcome then until
     * this process records one.
     */
    default boolean isOwn() {
        return false;
    }

    /** Returns whether the store has room for {@code more} additional outcomes. */
    default boolean hasRoomFor(long more) {
        return true;
    }

    /** Makes all recorded outcomes and the position durable, and releases all resources. Idempotent. */
    @Override
    void close();
}
