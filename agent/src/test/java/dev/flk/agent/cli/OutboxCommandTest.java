// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static dev.flk.agent.send.Certificates.certificate;
import static dev.flk.agent.send.Certificates.id;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.send.ScriptedBackend;
import dev.flk.agent.send.ScriptedBackend.Said;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class OutboxCommandTest {
    @TempDir
    Path directory;

    private ScriptedBackend backend;
    private Cli cli;

    @BeforeEach
    void start() throws Exception {
        backend = new ScriptedBackend();
        cli = new Cli(directory).sendingTo(backend);
    }

    @AfterEach
    void stop() throws Exception {
        cli.stopAgent();
        backend.close();
    }

    /** A 202 that was rejected. */
    private static Said rejected(String certificate) {
        return Said.of(
                202, "{\"pcs_id\":\"" + ScriptedBackend.id(certificate) + "\",\"accepted\":false,\"escalated\":true}");
    }

    @Test
    void cat_tellsWhatBecameOfEach_besideAnAgentToo() throws Exception {
        backend.submit = line -> line.contains("\"epoch\":1,")
                ? Said.recorded(line)
                : line.contains("\"epoch\":2,")
                        ? rejected(line)
                        : line.contains("\"epoch\":3,") ? Said.error(400, "no") : Said.error(503, "overloaded");
        cli.startAgent();
        cli.submit(certificate(1), certificate(2), certificate(3), certificate(4));
        Awaitility.await().until(() -> cli.run("status").out().contains("waiting   1 certificate,"));

        Ended beside = cli.run("outbox", "cat");

        assertThat(beside.exitCode()).isZero();
        assertThat(beside.out().lines()).hasSize(8);
        assertThat(beside.out())
                .containsSubsequence(
                        "Z  #1        answered 200: accepted\n    " + id(1) + "\n",
                        "Z  #2        answered 202: escalated or rejected\n    " + id(2) + "\n",
                        "Z  #3        given up: among the dead letters\n    " + id(3) + "\n",
                        "Z  #4        waits\n    " + id(4) + "\n");
        cli.stopAgent();

        assertThat(cli.run("outbox", "cat", "--waiting").out().lines()).hasSize(2);
        Ended json = cli.run("outbox", "cat", "--waiting", "--json");
        JsonNode line = new JsonMapper().readTree(json.out());
        assertThat(line.path("outbox_seq").asInt()).isEqualTo(4);
        assertThat(line.path("pcs_id").asText()).isEqualTo(id(4));
        assertThat(line.path("fate").asText()).isEqualTo("waits");
        assertThat(line.path("certificate"))
                .isEqualTo(new JsonMapper().readTree(new String(certificate(4), StandardCharsets.UTF_8)));
    }

    @Test
    void cat_idThatIsNone_isNotPrinted() throws Exception {
        String certificate = new String(certificate(1), StandardCharsets.UTF_8);
        cli.submit(certificate.replace(id(1), "\u009b2J" + "x".repeat(90)).getBytes(StandardCharsets.UTF_8));

        assertThat(cli.run("outbox", "cat").out()).contains("(malformed id)").doesNotContain("\u009b", "xxx");
    }

    @Test
    void cat_nothingThereYet_isEmpty() {
        Ended ended = new Cli(directory).run("outbox", "cat");

        assertThat(ended.exitCode()).isZero();
        assertThat(ended.out()).isEmpty();
    }

    @Test
    void commandMissing_is2() {
        Ended ended = new Cli(directory).run("outbox");

        assertThat(ended.exitCode()).isEqualTo(2);
        assertThat(ended.err()).startsWith("flk-agent: a command is missing: cat\n");
    }
}
