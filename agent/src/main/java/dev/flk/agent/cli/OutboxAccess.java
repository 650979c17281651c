// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.control.RunningAgent;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.Outbox.OutboxLocked;
import java.io.IOException;
import java.time.InstantSource;

/**
 * The access of a command to the outbox: the command opens the outbox itself, or asks the running agent that owns it.
 */
final class OutboxAccess {
    private OutboxAccess() {}

    /** An operation on the outbox, or on the running agent that owns it. */
    interface Operation<S, T> {
        T apply(S outbox) throws IOException;
    }

    /**
     * Runs {@code alone} on the outbox if no other process owns the outbox. Otherwise runs {@code beside} on the agent
     * that owns it.
     *
     * @throws OutboxLocked if another process owns the outbox, and no agent answers at CONTROL_SOCKET
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
