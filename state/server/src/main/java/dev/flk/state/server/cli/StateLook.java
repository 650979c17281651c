// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import dev.flk.backend.access.look.RunningProcess;
import dev.flk.client.StateCallException;
import dev.flk.client.StateClient;
import dev.flk.client.StateInfo;
import dev.flk.program.health.Finding;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import java.io.IOException;
import java.net.URI;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;

/** What the command {@code health} says about the port of the state. */
public final class StateLook {
    private static final String STATE = "state";

    private StateLook() {}

    /** Asks the port whether the state can be used; with TLS, makes only a handshake. */
    public static void at(RunningProcess process, URI address, Duration timeout, Consumer<Finding> found)
            throws IOException, GeneralSecurityException, InvalidFileException {
        Optional<Finding> problem = process.connect(address, STATE);
        String where = RunningProcess.text(address);
        if (problem.isPresent()) {
            found.accept(problem.get());
        } else if (process.hasTls()) {
            found.accept(Finding.good(STATE, "listens at " + where));
        } else {
            try (StateClient client = StateClient.to(where).timeout(timeout).connect()) {
                // reported before closing, which may wait for a server that hangs
                found.accept(info(client, where));
            }
        }
    }

    private static Finding info(StateClient client, String address) {
        try {
            StateInfo info = client.info();
            return info.notServing().isEmpty()
                    ? Finding.good(STATE, "serves at " + address + ", revision " + info.newestRevision())
                    : Finding.bad(STATE, address + " rejects all commits: " + info.notServing());
        } catch (StateCallException.Unauthenticated e) {
            return Finding.good(STATE, "answers at " + address + ", and asks for a token");
        } catch (StateCallException.Unreachable e) {
            return Finding.bad(STATE, address + " accepts connections, but answers no call: " + e.getMessage());
        } catch (StateCallException e) {
            return Finding.bad(STATE, address + ": " + e.getMessage());
        }
    }
}
