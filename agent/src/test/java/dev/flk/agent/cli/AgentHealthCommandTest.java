// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static dev.flk.agent.send.Certificates.certificate;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.send.ScriptedBackend.Said;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class AgentHealthCommandTest extends CommandTest {
    @BeforeEach
    void prepare() {
        backend.submit = line -> Said.error(400, "probe: the key may sign for this shard; nothing was recorded");
        cli.with("OUTBOX_MAX_BYTES", "1MiB");
    }

    /** Returns the output of {@code health} without durations, with each finding on one line. */
    private List<String> findings(int exitCode) {
        Ended ended = cli.run("health");
        assertThat(ended.exitCode()).as(ended.out() + ended.err()).isEqualTo(exitCode);
        assertThat(ended.err()).isEmpty();
        return Stream.of(ended.out()
                        .replaceAll("\n {20,}", " ")
                        .replaceAll(" +[0-9]+ ms ", "")
                        .split("\n", -1))
                .toList();
    }

    @Test
    void everythingWorks_exits0() throws Exception {
        cli.startAgent();
        assertThat(findings(0))
                .contains(
                        "ok   settings can be read",
                        "ok   agent runs as process " + ProcessHandle.current().pid(),
                        "ok   " + backend.endpoint() + " is reachable and serves",
                        "ok   " + backend.endpoint() + " is ready",
                        "ok   clock agrees with the clock of " + backend.endpoint(),
                        "ok   key " + backend.endpoint() + " knows it")
                .noneMatch(line -> line.startsWith("BAD"));
    }

    @Test
    void settingsInvalid_eachProblemIsNamed() {
        cli.with("BATCH_SIZE", "0")
                .with("TLS_CA_FILE", directory.resolve("none.pem").toString());
        assertThat(findings(1))
                .anyMatch(line -> line.startsWith("BAD  settings BATCH_SIZE: "))
                .anyMatch(line -> line.startsWith("BAD  settings TLS_CA_FILE: ")
                        && line.endsWith("can't be read: there is no such file"));
    }

    @Test
    void certificatePendingAndBackendDown_agentAndBackendAreBad() throws Exception {
        backend.close();
        cli.startAgent();
        cli.submit(certificate(1));
        awaitStatus("does not answer");
        assertThat(findings(1))
                .contains("BAD  agent no backend answers; flk-agent doctor looks for the cause")
                .contains("BAD  " + backend.endpoint()
                        + " no process listens there; check ENDPOINT, and whether the backend runs");
    }
}
