// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that no certificate is lost when the lock and the socket of a running agent are deleted, so that a command can
 * open its outbox.
 */
final class SecondAgentIT {
    @TempDir
    private Path directory;

    @Test
    void lockRemoved_runningAgentEnds_bothCertificatesStayPending() throws Exception {
        AgentHome home = AgentHome.in(directory);
        Map<String, String> environment = home.sendingNowhere();
        Path first =
                Files.writeString(directory.resolve("first.json"), Pcs.number(1).json());
        Path second = Files.writeString(
                directory.resolve("second.json"), Pcs.number(2).json());
        try (Program running = home.start(environment, "run")) {
            running.awaitLine(line -> line.contains("certificates wait in the outbox"));
            AgentHome.succeed(environment, "submit", first.toString());
            Files.delete(home.outbox().resolve("lock"));
            Files.delete(home.control());

            AgentHome.succeed(environment, "submit", second.toString());

            assertThat(running.awaitExit()).as(running.allLines()).isEqualTo(1);
            assertThat(running.allLines()).contains("lock or its directory was removed or replaced");
        }
        // the exit code is 1, because no agent is running
        assertThat(Command.ofAgent(environment, "status", "--json").exits(1).out())
                .contains("\"pending\":2");
    }
}
