// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.inbox.RestoredEnd;
import dev.flk.certificate.PcsId;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;

/**
 * The certificates whose outcomes the store has, but whose bodies no log has: those of logs that were given up, and
 * those after the end at which this log was restored. If such a certificate is sent again, its body is logged, and its
 * outcome stays the same. Safe for any thread.
 */
public final class LostBodies {
    /**
     * The most certificates after the restored end that are known to be logged again. A further one is logged each time
     * that it is sent.
     */
    private static final int MAX_HEALED = 100_000;

    private final Predicate<String> isForgotten;
    private final String logId;
    private final List<RestoredEnd> ends;
    private final Set<PcsId> healed = ConcurrentHashMap.newKeySet();

    /**
     * @param isForgotten whether the log with an id was given up; must not block
     * @param logId the id of this log
     * @param ends the ends at which this log was restored
     */
    public LostBodies(Predicate<String> isForgotten, String logId, List<RestoredEnd> ends) {
        this.isForgotten = isForgotten;
        this.logId = logId;
        this.ends = List.copyOf(ends);
    }

    /** Returns whether no log has the body of the certificate with this outcome. */
    boolean have(StoredOutcome stored) {
        return isForgotten.test(stored.logId()) || isAfterEnd(stored);
    }

    /** Returns whether the log of the outcome was given up; the store must then record which log has the body now. */
    boolean isOfForgotten(StoredOutcome stored) {
        return isForgotten.test(stored.logId());
    }

    private boolean isAfterEnd(StoredOutcome stored) {
        return !ends.isEmpty()
                // an embedded store does not name its only log
                && (stored.logId().isEmpty() || stored.logId().equals(logId))
                && ends.stream().anyMatch(end -> end.mayLack(stored.id(), stored.expiresAtMillis()))
                && !healed.contains(stored.id());
    }

    /** Notes that this log has the body of a certificate after its restored end. */
    void healed(PcsId id) {
        if (healed.size() < MAX_HEALED) {
            healed.add(id);
        }
    }
}
