// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.certificate.PcsId;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;

/** A store in one thread, as a simulation drives it. */
interface SimulatedDedup extends DedupStore {

    /** From now on this says what has expired, for the backend that asks. */
    void expiresBy(InstantSource expiry);

    /** What stands there now for the backend that asks, whether it can reach it or not. */
    Optional<StoredOutcome> existing(PcsId id);

    /** All that was ever recorded there for this id, whatever became of it. */
    List<StoredOutcome> everRecorded(PcsId id);

    /** Up to where it would say that it is complete, if it were asked now; what it does not keep durably does not count. */
    long durablyCompleteUpTo();

    /** The log's end is gone, and its sequences are given anew: nobody puts back a copy whose position counts the old ones. */
    void disownPositions();

    /** The process that used it died. */
    void processDied();

    /** Whether the next call will be answered. */
    boolean isReachable();

    /** Takes one step of what is under way; false if nothing is. */
    boolean step();
}
