// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.InvalidConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AgentConfigTest {
    @TempDir
    Path directory;

    @ParameterizedTest
    @CsvSource({"o/dlq.jsonl, o", "o/sub/dlq.jsonl, ./o", "x/../o/dlq.jsonl, o", "link/dlq.jsonl, real/o"})
    void load_deadLettersInTheOutbox_isAProblem(String letters, String outbox) throws Exception {
        Path real = Files.createDirectories(directory.resolve("real/o"));
        Files.createSymbolicLink(directory.resolve("link"), real);
        String file = directory.resolve(letters).toString();

        assertThatExceptionOfType(InvalidConfig.class)
                .isThrownBy(() -> AgentConfig.load(
                        Map.of(
                                "DLQ_PATH",
                                file,
                                "OUTBOX_PATH",
                                directory.resolve(outbox).toString()),
                        null,
                        Set.of()))
                .withMessage("DLQ_PATH: " + file + " is inside OUTBOX_PATH, whose files belong to the outbox;"
                        + " name a file in another directory");
    }

    @ParameterizedTest
    @CsvSource({
        "DLQ_PATH, spool/dlq.ndjson, spool",
        "DLQ_PATH, x/../spool/dlq.json, ./spool",
        "DLQ_PATH, link/dlq.json, spool",
        "DLQ_PATH, spool/dlq.json, link",
        "CONTROL_SOCKET, spool/control.json, spool",
        "INTAKE_SOCKET, spool/intake.ndjson, spool"
    })
    void load_createdFileMatchesTheSpoolPattern_isAProblem(String setting, String path, String spool) throws Exception {
        Files.createSymbolicLink(directory.resolve("link"), Files.createDirectories(directory.resolve("spool")));
        String file = directory.resolve(path).toString();

        assertThatExceptionOfType(InvalidConfig.class)
                .isThrownBy(() -> AgentConfig.load(
                        Map.of(
                                setting,
                                file,
                                "SPOOL_DIR",
                                directory.resolve(spool).toString()),
                        null,
                        Set.of()))
                .withMessage(setting + ": " + file + " is in SPOOL_DIR, whose .ndjson and .json files are submitted;"
                        + " name a file in another directory");
    }

    @ParameterizedTest
    @ValueSource(strings = {"spool/dlq.jsonl", "spool/sub/dlq.json", "dlq.json"})
    void load_deadLettersDoNotMatchTheSpoolPattern_isValid(String letters) {
        Path file = directory.resolve(letters);

        AgentConfig config = AgentConfig.load(
                Map.of(
                        "DLQ_PATH",
                        file.toString(),
                        "SPOOL_DIR",
                        directory.resolve("spool").toString()),
                null,
                Set.of());

        assertThat(config.deadLetters()).isEqualTo(file);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "hmac | PCS_HMAC_KEY | short | PCS_HMAC_KEY: has only 5 characters and can be guessed; use a random one, such as the output of openssl rand -hex 32",
                "hmac | PCS_HMAC_KEY | '\"0123456789\"' | PCS_HMAC_KEY: is in quotes, which are part of the secret; remove them if they should not be",
                "hmac | PCS_HMAC_KEY | '0123456789 ' | PCS_HMAC_KEY: begins or ends with a space, which is part of the secret; remove it if it should not be",
                "none | PCS_HMAC_KEY | 0123456789 | PCS_HMAC_KEY: has no effect, because PCS_SIGN_ALG is none",
                "none | PCS_ED25519_PRIV_B64 | 0123456789 | PCS_ED25519_PRIV_B64: has no effect, because PCS_SIGN_ALG is none",
            })
    void load_likelyMistake_isAWarning(String algorithm, String setting, String value, String warning) {
        var settings = Map.of("ENDPOINT", "http://localhost:8080", "PCS_SIGN_ALG", algorithm, setting, value);

        assertThat(AgentConfig.of(settings).warnings()).containsExactly(warning);
    }

    @Test
    void load_nothingSet_isValidExceptForSettingsThatACommandNeeds() {
        AgentConfig config = AgentConfig.load(Map.of(), null, Set.of());

        assertThat(config.sending().endpoints()).isEmpty();
        assertThat(config.signing()).isEmpty();
        assertThat(catchThrowableOfType(
                                InvalidConfig.class,
                                () -> AgentConfig.load(
                                        Map.of("BASE_DELAY", "soon", "BATCH_SIZE", "0"),
                                        null,
                                        EnumSet.allOf(Need.class)))
                        .problems())
                .extracting(problem -> problem.substring(0, problem.indexOf(':')))
                .containsExactlyInAnyOrder("ENDPOINT", "PCS_SIGN_ALG", "BASE_DELAY", "BATCH_SIZE");
    }

    @Test
    void diagnose_invalidConfiguration_hasItsProblemsAndItsSecrets() {
        Diagnosed<AgentConfig> known = AgentConfig.diagnose(
                Map.of("ENDPOINT", "http://ann:pw-1@localhost", "PCS_SIGN_ALG", "hmac", "MAX_AGE", "soon"), null);

        assertThat(known.config()).isEmpty();
        assertThat(known.secrets()).containsExactly("pw-1");
        assertThat(known.text())
                .contains(
                        "ENDPOINT             http://ann:***@localhost (environment)\n",
                        "\nPROBLEM MAX_AGE: 'soon' is not a duration")
                .doesNotContain("pw-1");
    }
}
