// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.DedupStore.StoreUnavailableException;
import dev.flk.backend.dedup.DedupStore.StoredOutcome;
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

/** A store in one thread, as a simulation drives it. */
interface SimulatedDedup extends DedupStore {
    /** Sets the clock by which outcomes expire for the backend that asks. */
    void expiresBy(InstantSource expiry);

    /** Returns the outcome that is valid now for the backend that asks, whether it can reach the store or not. */
    Optional<StoredOutcome> existing(PcsId id);

    /** Returns all outcomes that were ever recorded for an id. */
    List<StoredOutcome> everRecorded(PcsId id);

    /** Returns the position up to which the store would report to be complete; only what it keeps durably counts. */
    long durablyCompleteUpTo();

    /** The end of the log is gone and its sequences are used again: no copy is restored whose position counts the old ones. */
    void disownPositions();

    /** The process that used the store died. */
    void processDied();

    /** Whether the next call will be answered. */
    boolean isReachable();

    /** Takes one step of what is under way; false if nothing is. */
    boolean step();

    static StoreUnavailableException unavailable(String what) {
        return new StoreUnavailableException("simulated: " + what, new IOException(what));
    }

    /** The content of a store at one time. All copies of a store share the list of outcomes that were ever recorded. */
    final class Content {
        final Set<String> evidence = new HashSet<>();

        /** Position entries by log id. */
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

        /** Records an outcome unless another one is valid; returns the winner. */
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
