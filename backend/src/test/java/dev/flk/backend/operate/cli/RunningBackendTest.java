// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of the choice of the backend that a command contacts: the one at --url, or the one in a valid configuration,
 * and never another.
 */
class RunningBackendTest {
    private static final String NOWHERE = "http://127.0.0.1:1";

    private final CommandRun cli = new CommandRun();

    @TempDir
    private Path directory;

    private int run(Map<String, String> environment, String command) {
        return cli.run(environment, command.split(" ", -1));
    }

    @ParameterizedTest
    @ValueSource(strings = {"logs", "record"})
    void unusableConfiguration_isReported(String command) {
        Map<String, String> unreadable =
                Map.of("PORT", "25089", "PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY_FILE", directory + "/key");

        assertThat(run(unreadable, command)).isEqualTo(2);
        assertThat(cli.err()).contains("PCS_HMAC_KEY_FILE: " + directory + "/key can't be read: there is no such file");
        assertThat(run(Map.of(), command + " --config " + directory + "/none")).isEqualTo(2);
        assertThat(cli.err()).contains("--config " + directory + "/none: can't be read: there is no such file");
        assertThat(run(Map.of("PORT", "8081"), command)).isEqualTo(2);
        assertThat(cli.err()).contains("PCS_SIGN_ALG: not set");
        assertThat(cli.out()).isEmpty();
    }

    @Test
    void wordsOfTheState_areAnsweredWithTheNewOnes() {
        assertThat(run(Map.of(), "state get a k")).isEqualTo(2);
        assertThat(cli.err()).contains("state: use ./flk state, the program flk-state");
        assertThat(run(Map.of(), "sessions list")).isEqualTo(2);
        assertThat(cli.err()).contains("sessions: use ./flk state sessions");
    }

    @Test
    void portChosenAtTheStart_mustBeGiven() {
        Map<String, String> free = Map.of("PCS_SIGN_ALG", "none", "PORT", "0");

        assertThat(run(free, "record")).isEqualTo(2);
        assertThat(cli.err())
                .contains("PORT: is 0, so the backend chose a free port; its log names the port; use --url");
    }

    @Test
    void url_needsNoConfiguration() throws Exception {
        Map<String, String> broken = Map.of("PCS_HMAC_KEY_FILE", directory + "/key");
        for (String command : List.of("logs", "record")) {
            assertThat(run(broken, command + " --url " + NOWHERE)).isEqualTo(1);
            assertThat(cli.err()).contains("127.0.0.1:1");
            assertThat(cli.err()).doesNotContain("PCS_HMAC_KEY");
        }
        Path file = Files.writeString(
                directory.resolve("flk.properties"), "PCS_SIGN_ALG=none\nPORT=1\nBIND_ADDR=127.0.0.1\n");
        for (String command : List.of("logs", "record")) {
            assertThat(run(Map.of(), command + " --config " + file)).isEqualTo(1);
            assertThat(cli.err()).contains("127.0.0.1:1");
        }
    }
}
