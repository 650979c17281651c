// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.DedupStore;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.certificate.PcsId;
import java.io.IOException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A single-threaded store for simulations. */
interface SimulatedDedup extends DedupStore {
    /** Sets the clock by which outcomes expire for the calling backend. */
    void expiresBy(InstantSource expiry);

    /** Notes the log for which the store is used from now on. */
    default void startsWith(String logId) {}

    /** Returns the outcome that is currently valid for the calling backend, even if it can't reach the store. */
    Optional<StoredOutcome> existing(PcsId id);

    /** Returns all outcomes that were ever recorded for an id. */
    List<StoredOutcome> everRecorded(PcsId id);

    /** Returns the position up to which the store is durably complete. */
    long durablyCompleteUpTo();

    /**
     * Excludes the positions that the log has written so far from all restored copies, because the end of the log is
     * gone and its sequences are used again.
     */
    void disownPositions();

    /** Simulates the death of the process that uses the store. */
    void processDied();

    /** Returns whether the store will answer the next call. */
    boolean isReachable();

    /** Performs the oldest pending call; returns false if there is none. */
    boolean step();

    static StoreUnavailableException unavailable(String what) {
        return new StoreUnavailableException("simulated: " + what, new IOException(what));
    }

    /**
     * The content of a store at one point in time. All copies of a store share the list of outcomes that were ever
     * recorded.
     */
    final class Content {
        final Set<String> evidence = new HashSet<>();

        /** The position entries by log id. */
        final Map<String, String> positions = new HashMap<>();

        private final Map<PcsId, StoredOutcome> outcomes = new HashMap<>();
        private final Map<PcsId, List<StoredOutcome>> ever;

        Content() {
            this(new HashMap<>());
        }

        private Content(Map<PcsId, List<StoredOutcome>> ever) {
            this.ever = ever;
        }

        Content emptied() {
            return new Content(ever);
        }

        Content copy() {
            Content copy = emptied();
            copy.outcomes.putAll(outcomes);
            copy.positions.putAll(positions);
            copy.evidence.addAll(evidence);
            return copy;
        }

        Optional<StoredOutcome> existing(PcsId id, long nowMillis) {
            return Optional.ofNullable(outcomes.get(id)).filter(recorded -> !recorded.isExpired(nowMillis));
        }

        List<StoredOutcome> everRecorded(PcsId id) {
            return ever.getOrDefault(id, List.of());
        }

        /** Records an outcome unless a valid one exists, and returns the outcome that won. */
        StoredOutcome putIfAbsent(StoredOutcome decision, long nowMillis) {
            Optional<StoredOutcome> earlier = existing(decision.id(), nowMillis);
            if (earlier.isEmpty()) {
                outcomes.put(decision.id(), decision);
                ever.computeIfAbsent(decision.id(), id -> new ArrayList<>()).add(decision);
            }
            return earlier.orElse(decision);
        }

        static void requireDistinct(List<StoredOutcome> decisions) {
            if (decisions.stream().map(StoredOutcome::id).distinct().count() < decisions.size()) {
                throw new IllegalStateException("a list that contains an id twice");
            }
        }
    }
}
