// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.metrics.Meters;
import java.time.InstantSource;

/** What the log is asserted with. */
record AssertionContext(
        InstantSource clock, InstantSource expiry, Flights flights, Evidence evidence, Meters meters, OutcomeLog log) {

    /**
     * Another outcome stands for a submission that the store lacked, is not in flight and was not known to be overruled: whoever
     * submitted it may have been answered with ours.
     */
    void lost(Recorded ours, Recorded standing) {
        if (ours.isAnsweredAs(standing)) {
            meters.overruled();
        } else {
            meters.lostOutcome();
            log.lost(ours, standing);
        }
    }
}
