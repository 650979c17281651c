// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.metrics.Meters;
import java.time.InstantSource;

/**
 * What the log is asserted with.
 *
 * @param decidedAtStart everything in the log up to this sequence was decided, and answered if anybody waited, before the start
 * @param lastAtStart the last record of the log at the start
 */
record AssertionContext(
        InstantSource clock,
        InstantSource expiry,
        Flights flights,
        Evidence evidence,
        Meters meters,
        OutcomeLog log,
        long decidedAtStart,
        long lastAtStart) {

    /** Another outcome stands for a submission that is not in flight: if ours was answered, it is lost. */
    void lost(long sequence, Recorded ours, Recorded standing) {
        if (sequence <= decidedAtStart || sequence > lastAtStart) {
            meters.lostOutcome();
            log.lost(ours, standing);
        } else {
            meters.overruled();
            log.overruled(ours, standing);
        }
    }
}
