// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import dev.flk.agent.outbox.DeadLetter.DeadLetterFilter;
import dev.flk.agent.outbox.OutboxCompaction;
import java.io.IOException;
import java.time.Duration;

/** What operators ask of a running agent. Called one after the other, on a thread of their own; may take their time. */
public interface Operations {
    /** How the agent is. */
    StatusReport status() throws IOException;

    /** Gives the space of what is settled back. */
    OutboxCompaction.Report compact(Duration horizon, OutboxCompaction.Mode mode) throws IOException;

    /** Takes dead letters back to be sent again; how many. */
    int requeue(DeadLetterFilter which) throws IOException;

    /** Removes dead letters for good; how many. */
    int purge(DeadLetterFilter which) throws IOException;
}
