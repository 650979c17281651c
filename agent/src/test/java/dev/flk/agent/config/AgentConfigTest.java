// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.send.SenderConfig.SendOptions;
import dev.flk.agent.testing.TestKeys;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Settings;
import dev.flk.program.logging.LogOutput.LogConfig;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.event.Level;

class AgentConfigTest {
    private static final String NOWHERE = "/no/such/file";
    /** A good value of every setting, none of them the preset. */
    private static final Map<String, String> GOOD = good();

    /** The settings that any text is good for. */
    private static final Set<String> ANY_TEXT = Set.of(
            "PCS_HMAC_KEY", "SHARD_ID", "OUTBOX_PATH", "DLQ_PATH", "SPOOL_DIR", "CONTROL_SOCKET", "INTAKE_SOCKET");

    @TempDir
    Path directory;

    @Test
    void configurationPage_hasTheTableOfTheKeys() {
        assertThat(Path.of("../docs/configuration.md")).content().contains(Key.table(AgentConfig.KEYS));
    }

    @ParameterizedTest
    @CsvSource({
        "DLQ_PATH, a, OUTBOX_PATH, a, DLQ_PATH: a is also the path of OUTBOX_PATH",
        "SPOOL_DIR, x/../a, OUTBOX_PATH, ./a, SPOOL_DIR: x/../a is also the path of OUTBOX_PATH",
        "CONTROL_SOCKET, a, DLQ_PATH, a, CONTROL_SOCKET: a is also the path of DLQ_PATH",
        "INTAKE_SOCKET, a, CONTROL_SOCKET, a, INTAKE_SOCKET: a is also the path of CONTROL_SOCKET",
        "INTAKE_SOCKET, o/control.sock, OUTBOX_PATH, o, INTAKE_SOCKET: o/control.sock is also the path of CONTROL_SOCKET",
    })
    void load_twoSettingsNameOnePath_isAProblem(String one, String path, String other, String same, String problem) {
        assertThatExceptionOfType(InvalidConfig.class)
                .isThrownBy(() -> AgentConfig.load(Map.of(one, path, other, same), null, Set.of()))
                .withMessage(problem + "; name another path");
    }

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

    @Test
    void load_nothingSet_givesTheDefaultsOfTheContract() throws Exception {
        AgentConfig config = load(Map.of());

        assertThat(config.outbox()).isEqualTo(new OutboxOptions(Path.of("data/outbox.wal"), 1L << 30, 64L << 20));
        assertThat(config.deadLetters()).isEqualTo(Path.of("data/dlq.jsonl"));
        assertThat(config.sending().options())
                .isEqualTo(new SendOptions(
                        Duration.ofSeconds(1), Duration.ofSeconds(60), 0, Duration.ofDays(13), 256, 100));
        assertThat(config.sending().requestTimeout()).isEqualTo(Duration.ofSeconds(10));
        assertThat(config.log().level()).isEqualTo(Level.INFO);
        assertThat(config.log().format()).isEqualTo(LogConfig.Format.TEXT);
        assertThat(config.sending().endpoints()).isEmpty();
        assertThat(List.of(config.sending().tls(), config.signing(), config.shardId(), config.spoolDirectory()))
                .containsOnly(Optional.empty());
        assertThat(config.local().control()).isEqualTo(Path.of("data/outbox.wal/control.sock"));
        assertThat(config.local().intake()).isEmpty();
        assertThat(config.local().intakePort()).isEmpty();
        assertThat(config.metricsPort()).isEmpty();
    }

    @Test
    void load_everySettingGiven_isTaken() throws Exception {
        AgentConfig config = load(new TreeMap<>(GOOD), Need.ENDPOINT, Need.SIGNING);

        assertThat(config.sending().endpoints()).containsExactly(URI.create("https://example.org/flk"));
        assertThat(config.signing().orElseThrow().signer()).isPresent();
        assertThat(config.shardId()).contains("a shard");
        assertThat(config.outbox()).isEqualTo(new OutboxOptions(Path.of("o"), 5L << 20, 7L << 10));
        assertThat(config.deadLetters()).isEqualTo(Path.of("d"));
        assertThat(config.spoolDirectory()).contains(Path.of("s"));
        assertThat(config.local().control()).isEqualTo(Path.of("c"));
        assertThat(config.local().intake()).contains(Path.of("i"));
        assertThat(config.local().intakePort()).contains(9101);
        assertThat(config.sending().options())
                .isEqualTo(new SendOptions(
                        Duration.ofMillis(250), Duration.ofMinutes(5), 9, Duration.ofHours(12), 10, 11));
        assertThat(config.sending().requestTimeout()).isEqualTo(Duration.ofSeconds(3));
        assertThat(config.metricsPort()).contains(9100);
        assertThat(config.log().level()).isEqualTo(Level.DEBUG);
        assertThat(config.log().format()).isEqualTo(LogConfig.Format.JSON);
    }

    @ParameterizedTest
    @MethodSource("keys")
    void load_settingFromAFileOrWithGarbage_isTakenOrAProblemThatNamesIt(Key<?> setting) throws Exception {
        assumeThat(setting.name()).doesNotStartWith("TLS_");
        Path file = Files.writeString(directory.resolve("value"), GOOD.get(setting.name()) + "\n");
        Map<String, String> environment = new TreeMap<>(GOOD);
        environment.remove(setting.name());
        environment.put(setting + "_FILE", file.toString());
        assertThat(new Settings(AgentConfig.KEYS, environment, null).shown().get(setting.name()))
                .isIn(GOOD.get(setting.name()), "set");
        load(environment, Need.ENDPOINT, Need.SIGNING);

        Files.delete(file);
        if (!setting.name().equals("PCS_ED25519_PRIV_B64")) { // which is not read for hmac
            assertThat(problems(environment, Need.ENDPOINT, Need.SIGNING))
                    .containsExactly(setting + "_FILE: " + file + " can't be read: there is no such file");
        }

        if (!ANY_TEXT.contains(setting.name())) {
            environment.remove(setting + "_FILE");
            environment.put(setting.name(), "!garbage!");
            if (setting.name().equals("PCS_ED25519_PRIV_B64")) {
                environment.put("PCS_SIGN_ALG", "ed25519");
            }
            assertThat(problems(environment, Need.SIGNING))
                    .singleElement()
                    .asString()
                    .startsWith(setting + ": ")
                    .matches(problem -> !setting.name().startsWith("PCS_ED") || !problem.contains("!garbage!"));
        }
    }

    @Test
    void load_severalMistakes_areReportedTogether() {
        assertThat(problems(
                        Map.of("BASE_DELAY", "soon", "OUTBOX_MAX_BYTES", "big", "BATCH_SIZE", "0", "LOG_LEVEL", "LOUD"),
                        Need.ENDPOINT,
                        Need.SIGNING))
                .hasSize(6);
    }

    @ParameterizedTest
    @CsvSource({
        "ENDPOINT, localhost:8080",
        "ENDPOINT, ftp://host",
        "ENDPOINT, http://",
        "ENDPOINT, http://user:pass@host/",
        "ENDPOINT, http://host/?q=1",
        "ENDPOINT, http://host:99999",
        "MAX_AGE, 0",
        "MAX_AGE, 1w",
        "MAX_AGE, -1d",
        "MAX_AGE, 999999999d",
        "OUTBOX_MAX_BYTES, 0",
        "OUTBOX_MAX_BYTES, 99999999999TiB",
        "OUTBOX_MAX_BYTES, 1GB",
        "MAX_DELAY, 10ms",
        "MAX_IN_FLIGHT, 0",
        "BATCH_SIZE, 1001",
        "METRICS_PORT, 65536",
        "LOG_FORMAT, yaml",
    })
    void load_valueOutOfBounds_isOneProblem(String setting, String value) {
        assertThat(problems(Map.of(setting, value))).singleElement().asString().startsWith(setting + ": ");
    }

    @ParameterizedTest
    @CsvSource({"hmac, PCS_HMAC_KEY", "ed25519, PCS_ED25519_PRIV_B64"})
    void load_algorithmWithoutItsKey_isAProblemOfTheKey(String algorithm, String key) {
        assertThat(problems(Map.of("PCS_SIGN_ALG", algorithm), Need.SIGNING))
                .singleElement()
                .asString()
                .startsWith(key + ": not set");
    }

    @SuppressWarnings("UnusedMethod")
    private static List<Key<?>> keys() {
        return AgentConfig.KEYS;
    }

    private static Map<String, String> good() {
        Map<String, String> good = new TreeMap<>();
        good.put("ENDPOINT", "https://example.org/flk");
        good.put("PCS_SIGN_ALG", "hmac");
        good.put("PCS_HMAC_KEY", "secret");
        good.put("PCS_ED25519_PRIV_B64", Base64.getEncoder().encodeToString(new byte[32]));
        good.put("SHARD_ID", "a shard");
        good.put("OUTBOX_PATH", "o");
        good.put("OUTBOX_MAX_BYTES", "5MiB");
        good.put("OUTBOX_MIN_FREE_BYTES", "7KiB");
        good.put("DLQ_PATH", "d");
        good.put("SPOOL_DIR", "s");
        good.put("CONTROL_SOCKET", "c");
        good.put("INTAKE_SOCKET", "i");
        good.put("INTAKE_PORT", "9101");
        good.put("BASE_DELAY", "250ms");
        good.put("MAX_DELAY", "5m");
        good.put("MAX_ATTEMPTS", "9");
        good.put("MAX_AGE", "12h");
        good.put("REQUEST_TIMEOUT", "3s");
        good.put("MAX_IN_FLIGHT", "10");
        good.put("BATCH_SIZE", "11");
        good.put("METRICS_PORT", "9100");
        good.put("LOG_LEVEL", "debug");
        good.put("LOG_FORMAT", "json");
        return good;
    }

    private static AgentConfig load(Map<String, String> environment, Need... needs) throws InvalidConfig {
        return AgentConfig.load(environment, null, Set.of(needs));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://user:pass-word@host:99999",
                "http://user:pass-word@",
                "ftp://user:pass-word@host",
                "http://us er:pass-word@host",
                "http://user:pass@pass-word@host:0",
                "http://user:pass-word@host"
            })
    void load_endpointWithALogin_isToldWithoutIt(String url) {
        assertThat(problems(Map.of("ENDPOINT", url)))
                .singleElement()
                .asString()
                .startsWith("ENDPOINT: ")
                .doesNotContain("pass-word");
    }

    private static List<String> problems(Map<String, String> environment, Need... needs) {
        return catchThrowableOfType(InvalidConfig.class, () -> load(environment, needs))
                .problems();
    }

    @Test
    void secrets_areKnownAndNotShown() {
        Diagnosed<AgentConfig> known = AgentConfig.diagnose(
                Map.of(
                        "ENDPOINT", "http://localhost:8080",
                        "PCS_SIGN_ALG", "hmac",
                        "PCS_HMAC_KEY", "the key",
                        "PCS_ED25519_PRIV_B64", "the seed",
                        "TLS_KEY",
                                "-----BEGIN PRIVATE KEY-----\nfirst-line\nsecond-line\n==\n-----END PRIVATE KEY-----\n"),
                null);

        assertThat(known.secrets()).containsExactlyInAnyOrder("the key", "the seed", "first-line", "second-line");
        assertThat(known.text())
                .contains(
                        "ENDPOINT             http://localhost:8080 (environment)\n",
                        "PCS_HMAC_KEY         set (environment)\n")
                .contains("SHARD_ID             not set\n", "TLS_KEY              set (environment)\n")
                .doesNotContain(known.secrets());
    }

    @Test
    void mistakes_areTold_andTheRestIsStillThere() {
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

    // a setting that is malformed or can't be read is one problem: what follows from it is none

    @ParameterizedTest
    @CsvSource({
        "PCS_ED25519_PRIV_B64_FILE, PCS_SIGN_ALG=ed25519",
        "TLS_CERT_FILE, TLS_KEY=given",
        "TLS_KEY_FILE, TLS_CERT=given",
        "BASE_DELAY_FILE, MAX_DELAY=500ms",
        "MAX_DELAY_FILE, BASE_DELAY=2m",
        "BASE_DELAY, MAX_DELAY=500ms",
        "MAX_DELAY, BASE_DELAY=2m",
    })
    void load_oneOfTwoIsBrokenOrMissing_isTheOnlyProblem(String broken, String other) {
        Map<String, String> environment = new TreeMap<>(
                Map.of("ENDPOINT", "http://localhost:8080", "PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY", "secret"));
        environment.put(broken, NOWHERE);
        environment.put(other.substring(0, other.indexOf('=')), other.substring(other.indexOf('=') + 1));

        assertThat(problems(environment, Need.ENDPOINT, Need.SIGNING))
                .singleElement()
                .asString()
                .startsWith(broken + ": ");
    }

    @Test
    void tlsMistakes_areProblemsThatNameTheSetting_andShowNoKey() throws Exception {
        TestKeys keys = TestKeys.make(directory, "client", "dns:agent");
        String key = keys.keyPem();
        for (Map<String, String> wrong : Set.of(
                Map.of("TLS_CA", "!garbage!"),
                Map.of("TLS_CERT", keys.certificatePem()),
                Map.of("TLS_KEY", key),
                Map.of("TLS_CERT", "!garbage!", "TLS_KEY", key),
                Map.of("TLS_CERT", keys.certificatePem(), "TLS_KEY", "!garbage!"))) {
            assertThatExceptionOfType(InvalidConfig.class)
                    .isThrownBy(() -> load(wrong))
                    .satisfies(e -> assertThat(e.problems())
                            .singleElement()
                            .asString()
                            .startsWith("TLS_")
                            .doesNotContain("BEGIN", "garbage"));
        }
    }
}
