// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.backend.config.HttpConfig.Login;
import dev.flk.backend.config.HttpConfig.OpsConfig;
import dev.flk.backend.config.StorageConfig.Embedded;
import dev.flk.backend.config.StorageConfig.Memory;
import dev.flk.backend.config.StorageConfig.Postgres;
import dev.flk.backend.config.StorageConfig.Redis;
import dev.flk.backend.keys.KeysFixture;
import dev.flk.backend.testing.TestAuthority;
import dev.flk.backend.tls.TlsFiles;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Secret;
import dev.flk.program.logging.LogConfig;
import dev.flk.signing.SigningAlgorithm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.event.Level;

/** Every configuration key: what stands without it, what a value does, which values are refused. */
class EveryKeyTest {
    private static final String PUBLIC_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    private static final Path KEYS = keysFile();
    private static final Path TLS = tlsDirectory();
    private static final Map<String, String> LEAST = Map.of("PCS_SIGN_ALG", "none");

    private static Path tlsDirectory() {
        try {
            Path directory = Files.createTempDirectory("every-key-tls");
            directory.toFile().deleteOnExit();
            TestAuthority.named("a").issue("own", "localhost").writeTo(directory, "own");
            directory.resolve("own.crt").toFile().deleteOnExit();
            directory.resolve("own.key").toFile().deleteOnExit();
            return directory;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Map<String, String> tls(Map<String, String> more) {
        Map<String, String> environment = new HashMap<>(more);
        environment.put("TLS_CERT", TLS.resolve("own.crt").toString());
        environment.put("TLS_KEY", TLS.resolve("own.key").toString());
        return environment;
    }

    private static Path keysFile() {
        try {
            Path directory = Files.createTempDirectory("every-key");
            directory.toFile().deleteOnExit();
            Path file = new KeysFixture(directory)
                    .write(KeysFixture.KeyText.ed25519("a", 1))
                    .file();
            file.toFile().deleteOnExit();
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * @param read the part of the configuration that the key decides
     * @param byDefault what is there if only {@code PCS_SIGN_ALG} is set
     * @param explicit a value, with what else it needs
     * @param malformed values that are refused with a problem that names the key
     */
    record Row(
            Key<?> key,
            Function<BackendConfig, Object> read,
            Object byDefault,
            Map<String, String> explicit,
            Object effect,
            List<String> malformed) {
        @Override
        public String toString() {
            return key.name();
        }
    }

    static Stream<Row> rows() {
        return Stream.of(
                row(ConfigKeys.PORT, c -> c.http().port(), 8080, "0", 0, "-1", "65536", "99999999999", "http", "80 80"),
                row(ConfigKeys.BIND_ADDR, c -> c.http().bindAddress(), "0.0.0.0", "::1", "::1", "not an address", "/x"),
                row(
                        ConfigKeys.TLS_CERT,
                        BackendConfig::tls,
                        Optional.empty(),
                        tls(Map.of()),
                        Optional.of(new TlsFiles(TLS.resolve("own.crt"), TLS.resolve("own.key"), Optional.empty())),
                        "/no/such/file",
                        "a\0b"),
                row(
                        ConfigKeys.TLS_KEY,
                        BackendConfig::tls,
                        Optional.empty(),
                        tls(Map.of()),
                        Optional.of(new TlsFiles(TLS.resolve("own.crt"), TLS.resolve("own.key"), Optional.empty())),
                        "/no/such/file",
                        "a\0b"),
                row(
                        ConfigKeys.TLS_CLIENT_CA,
                        BackendConfig::tls,
                        Optional.empty(),
                        tls(Map.of("TLS_CLIENT_CA", TLS.resolve("own.crt").toString())),
                        Optional.of(new TlsFiles(
                                TLS.resolve("own.crt"), TLS.resolve("own.key"), Optional.of(TLS.resolve("own.crt")))),
                        "/no/such/file",
                        "a\0b"),
                row(
                        ConfigKeys.OPS_PORT,
                        BackendConfig::ops,
                        Optional.empty(),
                        "9090",
                        Optional.of(new OpsConfig(9090, "127.0.0.1", false)),
                        "-1",
                        "65536",
                        "on"),
                row(
                        ConfigKeys.OPS_BIND_ADDR,
                        BackendConfig::ops,
                        Optional.empty(),
                        Map.of("OPS_PORT", "9090", "OPS_BIND_ADDR", "0.0.0.0"),
                        Optional.of(new OpsConfig(9090, "0.0.0.0", false)),
                        "not an address"),
                row(
                        ConfigKeys.DEBUG,
                        c -> c.ops().map(OpsConfig::debug).orElse(false),
                        false,
                        Map.of(
                                "DEBUG", "on",
                                "OPS_PORT", "0",
                                "METRICS_USER", "u",
                                "METRICS_PASS", "a password of metrics"),
                        true,
                        "yes",
                        "1"),
                row(
                        ConfigKeys.MAX_BODY_BYTES,
                        c -> c.http().maxBodyBytes(),
                        1 << 20,
                        "64KiB",
                        1 << 16,
                        "0",
                        "64MB",
                        "1TiB",
                        "x"),
                row(ConfigKeys.MAX_BATCH, c -> c.http().maxBatchLines(), 1000, "7", 7, "0", "1KiB", "-5", "100001"),
                row(
                        ConfigKeys.MAX_BATCH_BYTES,
                        c -> c.http().maxBatchBytes(),
                        8 << 20,
                        "4096",
                        4096,
                        "0",
                        "1 MiB",
                        "257MiB"),
                row(
                        ConfigKeys.MAX_CONNECTIONS,
                        c -> c.http().maxConnections(),
                        20_000,
                        "7",
                        7,
                        "0",
                        "-1",
                        "1000001",
                        "many"),
                row(ConfigKeys.MAX_REQUESTS, c -> c.http().maxRequests(), 10_000, "7", 7, "0", "-1", "1000001", "1.5"),
                duration(ConfigKeys.HEADER_TIMEOUT, c -> c.http().headerTimeout(), Duration.ofSeconds(10), "0", "0s"),
                duration(ConfigKeys.BODY_TIMEOUT, c -> c.http().bodyTimeout(), Duration.ofSeconds(30), "0", "0s"),
                duration(ConfigKeys.IDLE_TIMEOUT, c -> c.http().idleTimeout(), Duration.ofSeconds(75), "0", "0s"),
                row(
                        ConfigKeys.TOKEN_RATE,
                        c -> c.limit().tokensPerSecond(),
                        new BigDecimal("100"),
                        "0.5/s",
                        new BigDecimal("0.5"),
                        "0",
                        "-1",
                        "0.0001",
                        "many",
                        "100/m",
                        "10000001"),
                row(ConfigKeys.TOKEN_BURST, c -> c.limit().burstTokens(), 200L, "5", 5L, "0", "-1", "1.5", "x"),
                row(
                        ConfigKeys.SHARD_RATE,
                        c -> Optional.ofNullable(c.limit().shardRate()),
                        Optional.empty(),
                        "0.5",
                        Optional.of(new BigDecimal("0.5")),
                        "0",
                        "off",
                        "0.0001"),
                row(
                        ConfigKeys.ADDRESS_FAILURE_RATE,
                        c -> c.limit().failuresPerSecond(),
                        new BigDecimal("10.000"),
                        "0",
                        BigDecimal.ZERO,
                        "-1",
                        "0.0001",
                        "10000001",
                        "some"),
                row(
                        ConfigKeys.ADDRESS_FAILURE_BURST,
                        c -> c.limit().failureBurst(),
                        100L,
                        "5",
                        5L,
                        "0",
                        "-1",
                        "1.5",
                        "x"),
                row(
                        ConfigKeys.MAX_CONNECTIONS_PER_ADDRESS,
                        c -> c.limit().connectionsPerAddress(),
                        10_000,
                        "7",
                        7,
                        "0",
                        "-1",
                        "1000001",
                        "many"),
                duration(ConfigKeys.MAX_CLOCK_SKEW, c -> c.maxClockSkew(), Duration.ofMinutes(5)),
                row(
                        ConfigKeys.PCS_SIGN_ALG,
                        c -> c.signing().getClass(),
                        SigningConfig.Off.class,
                        Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY", "k"),
                        SigningConfig.Hmac.class,
                        "sha1",
                        "ed25519"),
                row(
                        ConfigKeys.PCS_HMAC_KEY,
                        c -> c.signing(),
                        new SigningConfig.Off(),
                        Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY", " one, key "),
                        new SigningConfig.Hmac(List.of(new Secret(" one, key ")))),
                row(
                        ConfigKeys.PCS_HMAC_KEYS,
                        c -> c.signing(),
                        new SigningConfig.Off(),
                        Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEYS", "old,new"),
                        new SigningConfig.Hmac(List.of(new Secret("old"), new Secret("new")))),
                row(
                        ConfigKeys.PCS_ED25519_PUB_B64,
                        c -> c.signing(),
                        new SigningConfig.Off(),
                        Map.of("PCS_SIGN_ALG", "ed25519", "PCS_ED25519_PUB_B64", PUBLIC_KEY + ", " + PUBLIC_KEY),
                        new SigningConfig.Ed25519(List.of(PUBLIC_KEY, PUBLIC_KEY)),
                        "AAAA",
                        PUBLIC_KEY + ",",
                        PUBLIC_KEY.replace("=", "")),
                row(
                        ConfigKeys.KEYS_FILE,
                        c -> c.signing(),
                        new SigningConfig.Off(),
                        Map.of("PCS_SIGN_ALG", "ed25519", "KEYS_FILE", KEYS.toString()),
                        new SigningConfig.Registered(KEYS, SigningAlgorithm.ED25519),
                        "/no/such/file",
                        "a\0b"),
                tolerance(ConfigKeys.TOL_D, c -> c.policy().tolD(), 0.15),
                tolerance(ConfigKeys.TOL_COH, c -> c.policy().tolCoh(), 0.05),
                tolerance(ConfigKeys.TOL_BUDGET, c -> c.policy().tolBudget(), 0.01),
                real(ConfigKeys.BUDGET_BASE, c -> c.policy().base(), 0.1),
                real(ConfigKeys.BUDGET_ALPHA, c -> c.policy().alpha(), 0.3),
                real(ConfigKeys.BUDGET_BETA, c -> c.policy().beta(), 0.5),
                real(ConfigKeys.BUDGET_GAMMA, c -> c.policy().gamma(), 0.2),
                real(ConfigKeys.BUDGET_D0, c -> c.policy().d0(), 2.2),
                row(
                        ConfigKeys.WAL_DIR,
                        c -> c.storage().walDir(),
                        Path.of("data/wal"),
                        "/var/w",
                        Path.of("/var/w"),
                        "a\0b"),
                duration(ConfigKeys.WAL_RETENTION, c -> c.storage().walRetention(), Duration.ofDays(14), "0", "13d"),
                row(
                        ConfigKeys.WAL_MIN_FREE_BYTES,
                        c -> c.storage().walMinFreeBytes(),
                        256L << 20,
                        "1GiB",
                        1L << 30,
                        "lots",
                        "-1",
                        "9999999999TiB"),
                row(
                        ConfigKeys.AUDIT_DIR,
                        c -> c.auditDir(),
                        Path.of("data/wal/audit"),
                        "/var/log/flk",
                        Path.of("/var/log/flk"),
                        "a\0b"),
                row(
                        ConfigKeys.DEDUP_BACKEND,
                        c -> c.storage().store(),
                        new Embedded(Path.of("data/dedup")),
                        "memory",
                        new Memory(1_000_000),
                        "rocksdb",
                        "redis",
                        "postgres"),
                row(
                        ConfigKeys.DEDUP_DIR,
                        c -> c.storage().store(),
                        new Embedded(Path.of("data/dedup")),
                        "/d",
                        new Embedded(Path.of("/d")),
                        "data/wal",
                        "data/wal/x"),
                row(
                        ConfigKeys.DEDUP_TTL,
                        c -> c.storage().dedupTtl(),
                        Duration.ofDays(14),
                        "12h",
                        Duration.ofHours(12),
                        "15d",
                        "0",
                        "14"),
                row(
                        ConfigKeys.MEMORY_MAX_ENTRIES,
                        c -> c.storage().store(),
                        new Embedded(Path.of("data/dedup")),
                        Map.of("DEDUP_BACKEND", "memory", "MEMORY_MAX_ENTRIES", "10"),
                        new Memory(10),
                        "0",
                        "all"),
                postgres(
                        ConfigKeys.POSTGRES_CONN,
                        "postgres://ann:s%40%2B%3A+@h:1,[::1]/d?sslmode=verify-full&target_session_attrs=read-write",
                        new Postgres(
                                "jdbc:postgresql://h:1,[::1]/d?sslmode=verify-full&targetServerType=primary",
                                "ann",
                                new Secret("s@+:+"),
                                4,
                                Duration.ofSeconds(1)),
                        "mysql://h/d",
                        "postgres://h",
                        "postgres:///d",
                        "postgres://h/d?x",
                        "postgres://u%zz@h/d",
                        "postgres://u:p@ss@h/d",
                        "postgres://h/d?target_session_attrs=read-only"),
                postgres(
                        ConfigKeys.POSTGRES_POOL_SIZE,
                        "64",
                        new Postgres("jdbc:postgresql://h/d", "", new Secret(""), 64, Duration.ofSeconds(1)),
                        "1",
                        "65",
                        "many"),
                row(
                        ConfigKeys.DEDUP_TIMEOUT,
                        c -> c.storage().store(),
                        new Embedded(Path.of("data/dedup")),
                        Map.of("DEDUP_BACKEND", "redis", "REDIS_ADDR", "cache:6379", "DEDUP_TIMEOUT", "250ms"),
                        new Redis(new Secret("redis://cache:6379"), Duration.ofMillis(250)),
                        "9ms",
                        "61s",
                        "0",
                        "1"),
                row(
                        ConfigKeys.REDIS_URI,
                        c -> c.storage().store(),
                        new Embedded(Path.of("data/dedup")),
                        Map.of("DEDUP_BACKEND", "redis", "REDIS_URI", "rediss://:p%40ss@h:1/0"),
                        new Redis(new Secret("rediss://:p%40ss@h:1/0"), Duration.ofSeconds(1)),
                        "http://h",
                        "redis://h:1 ",
                        "redis://:p%zz@h:1",
                        "redis-sentinel://h1,h2"),
                row(
                        ConfigKeys.REDIS_ADDR,
                        c -> c.storage().store(),
                        new Embedded(Path.of("data/dedup")),
                        Map.of("DEDUP_BACKEND", "redis", "REDIS_ADDR", "cache:6379"),
                        new Redis(new Secret("redis://cache:6379"), Duration.ofSeconds(1)),
                        "cache"),
                row(ConfigKeys.METRICS_USER, c -> userOf(c), "", login("ann", "s"), "ann", "with:colon"),
                row(ConfigKeys.METRICS_PASS, c -> passwordOf(c), "", login("ann", "s:ä "), "s:ä "),
                row(ConfigKeys.LOG_LEVEL, c -> c.log().level(), Level.INFO, "debug", Level.DEBUG, "loud"),
                row(
                        ConfigKeys.LOG_FORMAT,
                        c -> c.log().format(),
                        LogConfig.Format.TEXT,
                        "json",
                        LogConfig.Format.JSON,
                        "xml"));
    }

    @Test
    void rows_keys_areAllThere() {
        assertThat(rows().<Key<?>>map(Row::key)).hasSameElementsAs(ConfigKeys.ALL);
    }

    @ParameterizedTest
    @MethodSource("rows")
    void load_notSet_hasTheDefault(Row row) {
        assertThat(row.read.apply(BackendConfig.load(LEAST, null))).isEqualTo(row.byDefault);
    }

    @ParameterizedTest
    @MethodSource("rows")
    void load_set_hasItsEffect(Row row) {
        BackendConfig config = BackendConfig.load(with(row.explicit), null);

        assertThat(row.read.apply(config)).isEqualTo(row.effect);
    }

    @ParameterizedTest
    @MethodSource("rows")
    void load_malformed_isAProblemThatNamesTheKey(Row row) {
        for (String value : row.malformed) {
            Map<String, String> environment = with(row.explicit);
            environment.put(row.key.name(), value);

            var thrown = catchThrowableOfType(InvalidConfig.class, () -> BackendConfig.load(environment, null));

            assertThat(thrown).as("%s=%s", row.key, value).isNotNull();
            assertThat(thrown.problems())
                    .as("%s=%s", row.key, value)
                    .singleElement()
                    .asString()
                    .contains(row.key.name());
        }
    }

    private static Row row(
            Key<?> key,
            Function<BackendConfig, Object> read,
            Object byDefault,
            String explicit,
            Object effect,
            String... malformed) {
        return row(key, read, byDefault, Map.of(key.name(), explicit), effect, malformed);
    }

    private static Row row(
            Key<?> key,
            Function<BackendConfig, Object> read,
            Object byDefault,
            Map<String, String> explicit,
            Object effect,
            String... malformed) {
        return new Row(key, read, byDefault, explicit, effect, List.of(malformed));
    }

    private static Row duration(
            Key<?> key, Function<BackendConfig, Object> read, Duration byDefault, String... malformedToo) {
        var malformed = Stream.concat(
                Stream.of("10", "1w", "-1s", "9999999d", "999999999999999d", "1.5h"), Stream.of(malformedToo));
        return row(key, read, byDefault, "1000h", Duration.ofHours(1000), malformed.toArray(String[]::new));
    }

    private static Row postgres(Key<?> key, String explicit, Object effect, String... malformed) {
        Map<String, String> environment = new HashMap<>();
        environment.put("DEDUP_BACKEND", "postgres");
        environment.put("POSTGRES_CONN", "postgresql://h/d");
        environment.put(key.name(), explicit);
        return row(key, c -> c.storage().store(), new Embedded(Path.of("data/dedup")), environment, effect, malformed);
    }

    private static Row tolerance(Key<?> key, Function<BackendConfig, Object> read, double byDefault) {
        return row(key, read, byDefault, "0.25", 0.25, "-0.01", "NaN", "1e999", "0,1", "x");
    }

    private static Row real(Key<?> key, Function<BackendConfig, Object> read, double byDefault) {
        return row(key, read, byDefault, "-1.5e1", -15.0, "Infinity", "1e999", "0,1", "0x1p3");
    }

    private static Map<String, String> login(String user, String password) {
        return Map.of("METRICS_USER", user, "METRICS_PASS", password);
    }

    private static String userOf(BackendConfig config) {
        Login login = config.http().metricsLogin();
        return login == null ? "" : login.user();
    }

    private static String passwordOf(BackendConfig config) {
        Login login = config.http().metricsLogin();
        return login == null ? "" : login.password().text();
    }

    private static Map<String, String> with(Map<String, String> more) {
        Map<String, String> environment = new HashMap<>(LEAST);
        environment.putAll(more);
        return environment;
    }
}
