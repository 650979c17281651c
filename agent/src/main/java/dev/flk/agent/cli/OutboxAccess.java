// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.control.RunningAgent;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.Outbox.OutboxLocked;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.InstantSource;
import org.jspecify.annotations.Nullable;

/**
 * The access of a command to the outbox: the command opens the outbox itself, or asks the running agent that owns it.
 */
final class OutboxAccess {
    private static final long LONGEST_WAIT_MILLIS = 5_000;
    private static final long LOOK_AGAIN_MILLIS = 100;

    private OutboxAccess() {}

    /** An operation on the outbox, or on the running agent that owns it. */
    interface Operation<S, T> {
        T apply(S outbox) throws IOException;
    }

    /** A step that needs the outbox. It throws {@link OutboxLocked} if another process owns the outbox. */
    interface Attempt<T> {
        T get() throws IOException;
    }

    /**
     * Runs {@code attempt}, and repeats it for up to five seconds while another process owns the outbox. That process
     * may be an agent that is starting, or a short command, such as {@code compact} in a cron job.
     *
     * @throws OutboxLocked if another process still owns the outbox after that time
     */
    static <T> T retrying(Attempt<T> attempt) throws IOException {
        for (long waited = 0; ; waited += LOOK_AGAIN_MILLIS) {
            try {
                return attempt.get();
            } catch (OutboxLocked e) {
                if (waited >= LONGEST_WAIT_MILLIS) {
                    throw e;
                }
                rest();
            }
        }
    }

    private static void rest() throws IOException {
        try {
            Thread.sleep(LOOK_AGAIN_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while waiting for the outbox");
        }
    }

    /**
     * Runs {@code alone} on the outbox if no other process owns the outbox. Otherwise runs {@code throughAgent} on the
     * agent that owns the outbox. If that agent is still starting, first waits up to five seconds for the agent.
     *
     * @throws OutboxLocked if, after five seconds, another process still owns the outbox, and no agent answers at
     *     CONTROL_SOCKET
     */
    static <T> T either(AgentConfig config, Operation<Outbox, T> alone, Operation<RunningAgent, T> throughAgent)
            throws IOException {
        // repeats only the opening of the outbox or the connection to the agent; the operation runs only once, because
        // it may read standard input
        Access access = retrying(() -> access(config));
        Outbox outbox = access.outbox();
        if (outbox == null) {
            return throughAgent.apply(access.agent());
        }
        try (outbox) {
            return alone.apply(outbox);
        }
    }

    /**
     * The outbox, or the running agent that owns the outbox.
     *
     * @param outbox the outbox; null if {@code agent} owns it
     * @param agent a client of the agent at CONTROL_SOCKET; used only if {@code outbox} is null
     */
    private record Access(@Nullable Outbox outbox, RunningAgent agent) {}

    private static Access access(AgentConfig config) throws IOException {
        RunningAgent agent =
                RunningAgent.at(config.local().control(), config.outbox().directory());
        try {
            return new Access(Outbox.open(config.outbox(), InstantSource.system()), agent);
        } catch (OutboxLocked locked) {
            try {
                agent.requireThere();
                return new Access(null, agent);
            } catch (RunningAgent.NotThere e) {
                locked.addSuppressed(e);
                throw locked;
            }
        }
    }
}
