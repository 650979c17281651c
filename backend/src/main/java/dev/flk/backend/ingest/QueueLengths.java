// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.metrics.Meters;

/** Shows how much waits at each place of the way of a submission. */
final class QueueLengths {
    private QueueLengths() {}

    /** From now on the gauges show these. */
    static void watch(Meters meters, Flights flights, Inbox inbox, Evidence evidence) {
        meters.idsInFlight.watch(flights::size);
        meters.walQueueBytes.watch(inbox::queuedBytes);
        meters.walQueueAppends.watch(inbox::queuedAppends);
        meters.recorderQueueGroups.watch(inbox.groups()::size);
        meters.evidenceEntries.watch(evidence::size);
    }
}
