// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.agents.Agents;
import dev.flk.backend.inbox.LoggedBodies;
import dev.flk.backend.logs.Logs;
import dev.flk.backend.outcomes.embedded.OutcomesBackup;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.review.Reviews;
import java.util.Optional;

/**
 * The features that are served besides certificates. Each is empty if it is off, and all are until the backend has
 * opened them.
 *
 * @param areOpen whether the backend has opened them
 * @param record the record of outcomes
 * @param reviews the reviews, which exist if the record exists
 * @param bodies the log's bodies, which exist if the record exists
 * @param backup the backup of the outcomes, which exists if DEDUP_DIR has any
 * @param agents the reports of agents
 * @param logs the logs of this store
 */
public record Features(
        boolean areOpen,
        Optional<RecordedOutcomes> record,
        Optional<Reviews> reviews,
        Optional<LoggedBodies> bodies,
        Optional<OutcomesBackup> backup,
        Optional<Agents> agents,
        Optional<Logs> logs) {

    /** Returns no features, as before they are opened. */
    public static Features none() {
        return new Features(
                false,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
    }
}
