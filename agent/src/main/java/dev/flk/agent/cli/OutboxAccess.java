// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.control.RunningAgent;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.Outbox.OutboxLocked;
import java.io.IOException;
import java.time.InstantSource;

/** The access of a command to the outbox: as its owner, or through the agent that owns it. */
final class OutboxAccess {
    private OutboxAccess() {}

    /** An operation on an outbox that this process owns, or through the agent that owns it. */
    interface Operation<S, T> {
        T apply(S outbox) throws IOException;
    }

    /**
     * Runs the first operation if this process can own the outbox, otherwise the second one.
     *
     * @throws OutboxLocked if another process owns the outbox and does not answer at its socket
     */
    static <T> T either(AgentConfig config, Operation<Outbox, T> alone, Operation<RunningAgent, T> beside)
            throws IOException {
        Outbox outbox;
        try {
            outbox = Outbox.open(config.outbox(), InstantSource.system());
        } catch (OutboxLocked locked) {
            try {
                return beside.apply(RunningAgent.at(
                        config.local().control(), config.outbox().directory()));
            } catch (RunningAgent.NotThere e) {
                locked.addSuppressed(e);
                throw locked;
            }
        }
        try (outbox) {
            return alone.apply(outbox);
        }
    }
}
