// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.metrics.Meters;
import java.time.InstantSource;
import java.util.Set;

/**
 * What the log is asserted with.
 *
 * @param told the sequences of submissions that were told to have lost, and are not yet known to be overruled; the recorder's thread only
 */
record AssertionContext(
        InstantSource clock,
        InstantSource expiry,
        Flights flights,
        Evidence evidence,
        Meters meters,
        OutcomeLog log,
        Set<Long> told) {

    /**
     * Another outcome stands for a submission that the store lacked, is not in flight and was not known to be overruled: whoever
     * submitted it may have been answered with ours.
     */
    void lost(long sequence, Recorded ours, Recorded standing) {
        if (!told.add(sequence)) {
            return; // what overruled it could not be logged then
        }
        if (ours.isAnsweredAs(standing)) {
            meters.overruled();
        } else {
            meters.lostOutcome();
            log.lost(ours, standing);
        }
    }
}
