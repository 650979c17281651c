// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.send.SendOptions;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.event.Level;

class AgentConfigTest {
    /** A good value of every setting, none of them the preset. */
    private static final Map<Setting, String> GOOD = good();

    /** The settings that any text is good for. */
    private static final Set<Setting> ANY_TEXT = EnumSet.of(
            Setting.PCS_HMAC_KEY,
            Setting.SHARD_ID,
            Setting.OUTBOX_PATH,
            Setting.DLQ_PATH,
            Setting.SPOOL_DIR,
            Setting.CONTROL_SOCKET,
            Setting.INTAKE_SOCKET);

    @TempDir
    Path directory;

    @Test
    void load_nothingSet_givesTheDefaultsOfTheContract() throws Exception {
        AgentConfig config = load(Map.of());

        assertThat(config.outbox()).isEqualTo(new OutboxOptions(Path.of("data/outbox.wal"), 1L << 30, 64L << 20));
        assertThat(config.deadLetters()).isEqualTo(Path.of("data/dlq.jsonl"));
        assertThat(config.send())
                .isEqualTo(new SendOptions(
                        Duration.ofSeconds(1), Duration.ofSeconds(60), 0, Duration.ofDays(13), 256, 100));
        assertThat(config.requestTimeout()).isEqualTo(Duration.ofSeconds(10));
        assertThat(config.logLevel()).isEqualTo(Level.INFO);
        assertThat(config.logFormat()).isEqualTo(LogFormat.TEXT);
        assertThat(config.endpoints()).isEmpty();
        assertThat(List.of(config.tls(), config.signing(), config.shardId(), config.spoolDirectory()))
                .containsOnly(Optional.empty());
        assertThat(config.controlSocket()).isEqualTo(Path.of("data/outbox.wal/control.sock"));
        assertThat(config.intakeSocket()).isEmpty();
        assertThat(config.intakePort()).isEmpty();
        assertThat(config.metricsPort()).isEmpty();
    }

    @Test
    void load_everySettingGiven_isTaken() throws Exception {
        AgentConfig config = load(environment(GOOD), Need.ENDPOINT, Need.SIGNING);

        assertThat(config.endpoints()).containsExactly(URI.create("https://example.org/flk"));
        assertThat(config.signing().orElseThrow().signer()).isPresent();
        assertThat(config.shardId()).contains("a shard");
        assertThat(config.outbox()).isEqualTo(new OutboxOptions(Path.of("o"), 5L << 20, 7L << 10));
        assertThat(config.deadLetters()).isEqualTo(Path.of("d"));
        assertThat(config.spoolDirectory()).contains(Path.of("s"));
        assertThat(config.controlSocket()).isEqualTo(Path.of("c"));
        assertThat(config.intakeSocket()).contains(Path.of("i"));
        assertThat(config.intakePort()).isEqualTo(OptionalInt.of(9101));
        assertThat(config.send())
                .isEqualTo(new SendOptions(
                        Duration.ofMillis(250), Duration.ofMinutes(5), 9, Duration.ofHours(12), 10, 11));
        assertThat(config.requestTimeout()).isEqualTo(Duration.ofSeconds(3));
        assertThat(config.metricsPort()).isEqualTo(OptionalInt.of(9100));
        assertThat(config.logLevel()).isEqualTo(Level.DEBUG);
        assertThat(config.logFormat()).isEqualTo(LogFormat.JSON);
    }

    @ParameterizedTest
    @EnumSource(mode = Mode.MATCH_NONE, names = "TLS_.*")
    void load_settingFromAFile_isTheSameAsGiven(Setting setting) throws Exception {
        Path file = Files.writeString(directory.resolve("value"), GOOD.get(setting) + "\n");
        Map<String, String> environment = environment(GOOD);
        environment.remove(setting.name());
        environment.put(setting + "_FILE", file.toString());

        assertThat(new Settings(environment, null).text(setting)).contains(GOOD.get(setting));
        load(environment, Need.ENDPOINT, Need.SIGNING);
    }

    @ParameterizedTest
    @EnumSource
    void load_settingFromProperties_givesWayToTheEnvironment(Setting setting) throws Exception {
        Path file = Files.writeString(directory.resolve("agent.properties"), setting + "=from the file\n");

        assertThat(new Settings(Map.of(), file).text(setting)).contains("from the file");
        assertThat(new Settings(Map.of(setting.name(), "given"), file).text(setting))
                .contains("given");
        assertThat(new Settings(Map.of(setting.name(), ""), file).text(setting)).contains("from the file");
    }

    @ParameterizedTest
    @EnumSource(mode = Mode.MATCH_NONE, names = "TLS_.*")
    void load_settingWithGarbage_isAProblemThatNamesIt(Setting setting) throws Exception {
        if (ANY_TEXT.contains(setting)) {
            return;
        }
        Map<String, String> environment = environment(GOOD);
        environment.put(setting.name(), "!garbage!");
        if (setting == Setting.PCS_ED25519_PRIV_B64) {
            environment.put("PCS_SIGN_ALG", "ed25519");
        }

        assertThat(problems(environment, Need.SIGNING))
                .singleElement()
                .asString()
                .startsWith(setting + " ");
    }

    @Test
    void load_everythingWrong_isToldAtOnce() {
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
        "LOG_FORMAT, JSON",
    })
    void load_valueOutOfBounds_isOneProblem(Setting setting, String value) {
        assertThat(problems(Map.of(setting.name(), value)))
                .singleElement()
                .asString()
                .startsWith(setting + " ");
    }

    @ParameterizedTest
    @CsvSource({"hmac, PCS_HMAC_KEY", "ed25519, PCS_ED25519_PRIV_B64"})
    void load_algorithmWithoutItsKey_isAProblemOfTheKey(String algorithm, String key) {
        assertThat(problems(Map.of("PCS_SIGN_ALG", algorithm), Need.SIGNING))
                .singleElement()
                .asString()
                .startsWith(key + " is not set");
    }

    @Test
    void load_badKey_isNeverShown() {
        String secret = "c2VjcmV0";

        assertThat(problems(Map.of("PCS_SIGN_ALG", "ed25519", "PCS_ED25519_PRIV_B64", secret), Need.SIGNING))
                .singleElement()
                .asString()
                .doesNotContain(secret);
    }

    @Test
    void load_algorithmNone_hasNoSigner() throws Exception {
        assertThat(load(Map.of("PCS_SIGN_ALG", "none"), Need.SIGNING)
                        .signing()
                        .orElseThrow()
                        .signer())
                .isEmpty();
    }

    @Test
    void load_unknownNameInTheFile_isAProblem() throws Exception {
        Path file = Files.writeString(directory.resolve("agent.properties"), "ENDPONT=http://x\nENDPOINT=http://x\n");

        assertThat(problems(Map.of(), file)).singleElement().asString().contains("unknown name ENDPONT");
    }

    @Test
    void load_filesThatAreNotThere_areProblems() {
        assertThat(problems(Map.of("SHARD_ID_FILE", "/no/such/file"), directory.resolve("none.properties")))
                .hasSize(2)
                .allSatisfy(problem -> assertThat(problem).contains("there is no such file"));
    }

    @Test
    void load_keyFileThatIsNotThere_isOneProblem() {
        assertThat(problems(Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY_FILE", "/no/such/file"), Need.SIGNING))
                .singleElement()
                .asString()
                .contains("PCS_HMAC_KEY_FILE");
    }

    @Test
    void load_valueAndItsFileBothGiven_isAProblem() throws Exception {
        Path file = Files.writeString(directory.resolve("value"), "x");

        assertThat(problems(Map.of("SHARD_ID", "y", "SHARD_ID_FILE", file.toString())))
                .singleElement()
                .asString()
                .contains("SHARD_ID and SHARD_ID_FILE are both given");
    }

    @Test
    void load_textThatTheLocaleGarbled_isAProblem() {
        assertThat(problems(Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY", "gr\uFFFD\uFFFDn"), Need.SIGNING))
                .singleElement()
                .asString()
                .contains("LC_ALL");
    }

    private static Map<Setting, String> good() {
        Map<Setting, String> good = new EnumMap<>(Setting.class);
        good.put(Setting.ENDPOINT, "https://example.org/flk");
        good.put(Setting.PCS_SIGN_ALG, "hmac");
        good.put(Setting.PCS_HMAC_KEY, "secret");
        good.put(Setting.PCS_ED25519_PRIV_B64, Base64.getEncoder().encodeToString(new byte[32]));
        good.put(Setting.SHARD_ID, "a shard");
        good.put(Setting.OUTBOX_PATH, "o");
        good.put(Setting.OUTBOX_MAX_BYTES, "5MiB");
        good.put(Setting.OUTBOX_MIN_FREE_BYTES, "7KiB");
        good.put(Setting.DLQ_PATH, "d");
        good.put(Setting.SPOOL_DIR, "s");
        good.put(Setting.CONTROL_SOCKET, "c");
        good.put(Setting.INTAKE_SOCKET, "i");
        good.put(Setting.INTAKE_PORT, "9101");
        good.put(Setting.BASE_DELAY, "250ms");
        good.put(Setting.MAX_DELAY, "5m");
        good.put(Setting.MAX_ATTEMPTS, "9");
        good.put(Setting.MAX_AGE, "12h");
        good.put(Setting.REQUEST_TIMEOUT, "3s");
        good.put(Setting.MAX_IN_FLIGHT, "10");
        good.put(Setting.BATCH_SIZE, "11");
        good.put(Setting.METRICS_PORT, "9100");
        good.put(Setting.LOG_LEVEL, "debug");
        good.put(Setting.LOG_FORMAT, "json");
        return good;
    }

    private static Map<String, String> environment(Map<Setting, String> settings) {
        Map<String, String> environment = new TreeMap<>();
        settings.forEach((setting, value) -> environment.put(setting.name(), value));
        return environment;
    }

    private static AgentConfig load(Map<String, String> environment, Need... needs) throws InvalidConfig {
        return AgentConfig.load(environment, null, Set.of(needs));
    }

    @ParameterizedTest
    @EnumSource(
            value = Setting.class,
            names = {"SHARD_ID", "OUTBOX_PATH", "PCS_SIGN_ALG", "PCS_HMAC_KEY", "TLS_CA", "TLS_KEY", "ENDPOINT"})
    void load_nameOfAFileThatIsNone_isAProblem(Setting setting) {
        Map<String, String> environment = new TreeMap<>(Map.of("PCS_SIGN_ALG", "hmac"));
        environment.remove(setting.name());
        environment.put(setting + "_FILE", "a\0b");

        assertThat(problems(environment, Need.SIGNING))
                .anyMatch(problem -> problem.startsWith(setting + "_FILE: is no path"));
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
                .startsWith("ENDPOINT ")
                .doesNotContain("pass-word");
    }

    private static List<String> problems(Map<String, String> environment, Need... needs) {
        return catchThrowableOfType(InvalidConfig.class, () -> load(environment, needs))
                .problems();
    }

    private static List<String> problems(Map<String, String> environment, Path file) {
        return catchThrowableOfType(InvalidConfig.class, () -> AgentConfig.load(environment, file, Set.of()))
                .problems();
    }
}
