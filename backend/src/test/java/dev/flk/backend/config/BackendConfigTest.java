// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.backend.access.keys.KeysFixture;
import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.access.tls.TlsFiles;
import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Secret;
import dev.flk.testkit.TestAuthority;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BackendConfigTest {
    private static final String SECRET = "do-not-print-me";

    @TempDir
    private Path dir;

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            | PCS_SIGN_ALG: not set; set it to
            PCS_SIGN_ALG=hmac | PCS_HMAC_KEY_FILE
            PCS_SIGN_ALG=none;METRICS_USER=ann | METRICS_PASS: only one of the two
            PCS_SIGN_ALG=none;TLS_CERT=own.crt | TLS_CERT, TLS_KEY: only one of the two is set; set both or neither
            PCS_SIGN_ALG=none;TLS_CLIENT_CA=own.crt | TLS_CLIENT_CA: is set without TLS_CERT and TLS_KEY
            PCS_SIGN_ALG=none;OPS_BIND_ADDR=::1 | OPS_BIND_ADDR: has no effect without OPS_PORT; set OPS_PORT too
            PCS_SIGN_ALG=none;DEDUP_BACKEND=redis | REDIS_URI, REDIS_ADDR: none is set, and DEDUP_BACKEND=redis needs one
            PCS_SIGN_ALG=none;DEDUP_BACKEND=redis;REDIS_ADDR=h:1;REDIS_URI=redis://:do-not-print-me@h:1 | REDIS_URI, REDIS_ADDR: both are set
            PCS_SIGN_ALG=none;DEDUP_BACKEND=redis;REDIS_URI=redis://:p@do-not-print-me@h:1 | as in %40 for @
            PCS_SIGN_ALG=none;DEDUP_BACKEND=redis;REDIS_ADDR=h:70000 | REDIS_ADDR: 'h:70000' is not between 0 and 65535
            PCS_SIGN_ALG=none;LOG_COPY=kafka;KAFKA_BROKERS=h:1 | LOG_NAME: not set; LOG_COPY=kafka needs it, because the topic is named after it
            PCS_SIGN_ALG=none;LOG_COPY=kafka;KAFKA_BROKERS=h:1;LOG_NAME=a b | LOG_NAME: 'a b' is not 1 to 100 letters
            PCS_SIGN_ALG=none;DEDUP_BACKEND=redis;SESSION_STORE=redis;REDIS_ADDR=a:1,b:2 | REDIS_ADDR: has several hosts; set REDIS_CLUSTER=on if they are nodes
            PCS_SIGN_ALG=none;DEDUP_BACKEND=redis;REDIS_CLUSTER=on;REDIS_URI=rediss://:do-not-print-me@a:1,b:2/1 | a cluster has only database 0
            PCS_SIGN_ALG=none;DEDUP_BACKEND=redis;REDIS_CLUSTER=on;REDIS_URI=redis://a:1,b:2?db=3 | a cluster has only database 0
            PCS_SIGN_ALG=none;DEDUP_BACKEND=redis;REDIS_CLUSTER=on;REDIS_URI=redis-sentinel://a,b#c | REDIS_URI: is not the form for REDIS_CLUSTER=on
            PCS_SIGN_ALG=none;RATE_SHARED=on | RATE_SHARED: on, but no other backend can use the store in DEDUP_BACKEND; set DEDUP_BACKEND to redis or postgres, or RATE_SHARED=off
            PCS_SIGN_ALG=none;DEDUP_BACKEND=postgres | POSTGRES_CONN: not set; DEDUP_BACKEND=postgres needs it
            PCS_SIGN_ALG=none;RECORD_STORE=postgres | POSTGRES_CONN: not set; RECORD_STORE=postgres needs it
            PCS_SIGN_ALG=none;DEDUP_BACKEND=memory;DEDUP_DIR=data/wal/dedup | DEDUP_DIR: is WAL_DIR or inside it
            """)
    void load_errorInTheEnvironment_isTheOnlyProblem(String settings, String problem) throws IOException {
        TestAuthority.named("a").issue("own", "localhost").writeTo(dir, "own");
        Map<String, String> environment = new HashMap<>();
        for (String setting : settings == null ? new String[0] : settings.split(";", -1)) {
            String[] sides = setting.split("=", 2);
            boolean isFile = sides[0].endsWith("_FILE") || sides[0].startsWith("TLS_");
            environment.put(sides[0], isFile ? dir.resolve(sides[1]).toString() : sides[1]);
        }

        assertThat(problems(environment, null))
                .singleElement()
                .asString()
                .contains(problem)
                .doesNotContain(SECRET);
    }

    @Test
    void load_tlsFiles_settingNamesOfTheAgentAreAccepted() throws IOException {
        TestAuthority.named("a").issue("own", "localhost").writeTo(dir, "own");
        Path file = write(
                "flk.properties",
                "PCS_SIGN_ALG=none\nTLS_CERT_FILE=%1$s/own.crt\nTLS_KEY_FILE=%1$s/own.key\n".formatted(dir));

        assertThat(BackendConfig.load(Map.of(), file).tls())
                .contains(new TlsFiles(dir.resolve("own.crt"), dir.resolve("own.key"), Optional.empty()));
    }

    @Test
    void load_backendsOfOneMachine_haveDifferentLogNames() {
        BackendConfig one = BackendConfig.load(Map.of("PCS_SIGN_ALG", "none", "PORT", "8080"), null);
        BackendConfig other = BackendConfig.load(Map.of("PCS_SIGN_ALG", "none", "PORT", "8081"), null);
        assertThat(one.logName()).endsWith("-8080");
        assertThat(other.logName()).isEqualTo(one.logName().replaceAll("0$", "1"));
    }

    @Test
    void load_redisUrlOfEveryForm_isAccepted() {
        for (String uri : List.of(
                "redis://h",
                "rediss://user:p%40ss@h:6380/1?verifyPeer=ca",
                "redis+tls://h:1",
                "redis-socket:///run/redis.sock",
                "redis-sentinel://:pass@h1:26379,h2:26379/0#primary",
                "rediss-sentinel://h1,h2?sentinelMasterId=primary")) {
            var environment = Map.of("PCS_SIGN_ALG", "none", "DEDUP_BACKEND", "redis", "REDIS_URI", uri);

            assertThat(BackendConfig.load(environment, null).store())
                    .isEqualTo(new StoreConfig.Redis(new RedisConfig(new Secret(uri), Duration.ofSeconds(1))));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "REDIS_ADDR=h:1 | REDIS_ADDR: has no effect, because DEDUP_BACKEND is not redis",
                "DEDUP_BACKEND=memory;RECORD=off;DEDUP_DIR=d | DEDUP_DIR: has no effect, because neither the dedup store nor the record is embedded",
                "DEDUP_BACKEND=postgres;POSTGRES_CONN=postgresql://h/d;DEDUP_DIR=d | DEDUP_DIR: has no effect, because neither the dedup store nor the record is embedded",
                "POSTGRES_POOL_MAX=3 | POSTGRES_POOL_MAX: has no effect, because neither DEDUP_BACKEND nor RECORD_STORE is postgres; flk-state has the state now",
                "STATE_PORT=off;STATE_DIR=s;SESSION_TTL=2h | SESSION_TTL, STATE_DIR, STATE_PORT: the program flk-state has the state and the sessions of agents now, and these settings; see docs/upgrading.md",
                "DEDUP_BACKEND=redis;REDIS_ADDR=h:1;REDIS_TAG=eu | REDIS_TAG: has no effect, because REDIS_CLUSTER is off",
                "RECORD=off;RECORD_STORE=postgres | RECORD_STORE: has no effect, because RECORD is off",
                "RECORD=off;RECORD_HISTORY=9d | RECORD_HISTORY: has no effect, because RECORD is off",
                "RUST_LOG=debug | RUST_LOG: is in the environment, but is not a setting; use LOG_LEVEL=DEBUG",
                "DATABASE_URL=postgres://h/d | DATABASE_URL: is in the environment, but is not a setting; use POSTGRES_CONN, or SESSION_DATABASE_URL for sessions in Redis",
                "METRICS_USER=ann;METRICS_PASS=secret | METRICS_PASS: has only 6 characters and can be guessed; use a random one, such as the output of openssl rand -hex 32",
                "METRICS_USER=ann;METRICS_PASS=\"0123456789\" | METRICS_PASS: is in quotes, which are part of the secret; remove them if they should not be",
                "METRICS_USER=ann;METRICS_PASS=0123456789_ | METRICS_PASS: begins or ends with a space, which is part of the secret; remove it if it should not be",
            })
    void load_likelyMistake_isAWarning(String settings, String warning) {
        Map<String, String> environment = new HashMap<>(Map.of("PCS_SIGN_ALG", "none"));
        for (String setting : settings.split(";", -1)) {
            String[] sides = setting.split("=", 2);
            environment.put(sides[0], sides[1].endsWith("_") ? sides[1].replace('_', ' ') : sides[1]);
        }

        assertThat(BackendConfig.load(environment, null).warnings()).containsExactly(warning);
        assertThat(BackendConfig.describe(environment, null).replaceAll("\\s+", " "))
                .contains("WARNING " + warning);
    }

    @Test
    void load_jdbcUrl_userAndPasswordMayBeParameters() {
        var environment = Map.of(
                "PCS_SIGN_ALG",
                "none",
                "DEDUP_BACKEND",
                "postgres",
                "POSTGRES_CONN",
                "jdbc:postgresql://h/d?user=ann&sslmode=require&password=" + SECRET);

        assertThat(BackendConfig.load(environment, null).store())
                .isEqualTo(new StoreConfig.Postgres(PostgresStores.config(
                        "jdbc:postgresql://h/d?sslmode=require", "ann", SECRET, 4, Duration.ofSeconds(1))));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "DEDUP_BACKEND=embedded | embedded",
                "DEDUP_BACKEND=memory | embedded",
                "DEDUP_BACKEND=redis;REDIS_ADDR=h:1 | embedded",
                "DEDUP_BACKEND=postgres | postgres",
                "STATE_ENGINE=postgres | postgres",
                "STATE_ENGINE=postgres;STATE_PORT=off | embedded",
                "DEDUP_BACKEND=postgres;RECORD_STORE=embedded | embedded",
                "RECORD_STORE=postgres | postgres",
                "DEDUP_BACKEND=postgres;RECORD=off | -",
            })
    void recordStore_notSet_followsTheOtherStores(String settings, String expected) {
        Map<String, String> environment =
                new HashMap<>(Map.of("PCS_SIGN_ALG", "none", "POSTGRES_CONN", "postgresql://u:p@h/d"));
        for (String setting : settings.split(";", -1)) {
            environment.put(setting.split("=", 2)[0], setting.split("=", 2)[1]);
        }

        assertThat(BackendConfig.load(environment, null).record().storeName()).isEqualTo(expected);
        assertThat(BackendConfig.describe(environment, null)).containsPattern("(?m)^RECORD_STORE +" + expected + " ");
    }

    @Test
    void inPostgres_onlyTheRecord_isNamed() {
        var environment =
                Map.of("PCS_SIGN_ALG", "none", "RECORD_STORE", "postgres", "POSTGRES_CONN", "postgresql://u:p@h/d");

        assertThat(BackendConfig.load(environment, null)
                        .inPostgres()
                        .orElseThrow()
                        .pools())
                .containsExactly(Pool.RECORD);
    }

    @Test
    void toString_parametersOfPostgres_areNotShown() {
        PostgresConfig postgres = PostgresStores.config(
                "jdbc:postgresql://h:5432/d?sslkey=k&sslpassword=" + SECRET, "ann", SECRET, 4, Duration.ofSeconds(1));
        assertThat(postgres.toString()).contains("h:5432/d").doesNotContain(SECRET);
    }

    @Test
    void describe_eachKey_hasValueAndOrigin() throws IOException {
        Path file = write("flk.properties", "MAX_BATCH=3\nPCS_SIGN_ALG=none\n");

        assertThat(BackendConfig.describe(Map.of("PORT", "2222"), file))
                .containsPattern("(?m)^PORT +2222 +environment$")
                .containsPattern("(?m)^MAX_BATCH +3 +file$")
                .containsPattern("(?m)^IDLE_TIMEOUT +75s +default$")
                .containsPattern("(?m)^TOKEN_BURST +200 +2 x TOKEN_RATE$")
                .containsPattern("(?m)^REDIS_URI +- +not set$");
    }

    private static List<String> problems(Map<String, String> environment, Path file) {
        return catchThrowableOfType(InvalidConfig.class, () -> BackendConfig.load(environment, file))
                .problems();
    }

    @Test
    void changesTo_whatIsNotShownOrFollowsAnotherSetting_isNamed() {
        Map<String, String> environment = new HashMap<>(Map.of(
                "PCS_SIGN_ALG", "hmac",
                "PCS_HMAC_KEY", "key-1",
                "METRICS_USER", "ann",
                "METRICS_PASS", SECRET,
                "SESSION_STORE", "redis",
                "REDIS_URI", "redis://:old@h:6379"));
        BackendConfig before = BackendConfig.load(environment, null);
        environment.put("METRICS_PASS", SECRET + "-either");
        environment.put("REDIS_URI", "redis://:new@h:6379");
        environment.put("TOKEN_RATE", "10000/s");

        BackendConfig.Changes changes = before.changesTo(BackendConfig.load(environment, null));

        assertThat(changes.taken()).containsExactly("TOKEN_RATE=10000/s (was 100/s)");
        assertThat(changes.needRestart())
                .containsExactly(
                        "METRICS_PASS (secret)",
                        "REDIS_URI (secret)",
                        "ADDRESS_FAILURE_RATE=1000/s (was 10/s; follows TOKEN_RATE)");
        assertThat(before.changesTo(before).needRestart()).isEmpty();
        environment.put("ADDRESS_FAILURE_RATE", "50/s");
        assertThat(before.changesTo(BackendConfig.load(environment, null)).needRestart())
                .containsExactly(
                        "ADDRESS_FAILURE_RATE=50/s (was not set)", "METRICS_PASS (secret)", "REDIS_URI (secret)");
    }

    private Path write(String name, String text) throws IOException {
        return Files.writeString(dir.resolve(name), text, StandardCharsets.UTF_8);
    }

    @Test
    void keysFile_contradictedByAnotherSetting_isAProblem(@TempDir Path keysDirectory) throws Exception {
        Path keys = new KeysFixture(keysDirectory)
                .write(KeysFixture.KeyText.ed25519("a", 1))
                .file();
        assertThat(BackendConfig.load(Map.of("KEYS_FILE", keys.toString()), null)
                        .signing())
                .isEqualTo(new SigningConfig.Registered(keys, null));
        assertThat(problems(Map.of("KEYS_FILE", keys.toString(), "PCS_HMAC_KEY", SECRET), null))
                .singleElement()
                .asString()
                .startsWith("KEYS_FILE: PCS_HMAC_KEY, PCS_HMAC_KEYS or PCS_ED25519_PUB_B64 is set too")
                .doesNotContain(SECRET);
        assertThat(problems(Map.of("KEYS_FILE", keys.toString(), "PCS_SIGN_ALG", "none"), null))
                .containsExactly(
                        "PCS_SIGN_ALG: none accepts unsigned certificates, so KEYS_FILE has no use; remove one of"
                                + " the two");
        assertThat(problems(Map.of("KEYS_FILE", keys.toString(), "PCS_SIGN_ALG", "hmac"), null))
                .containsExactly("KEYS_FILE: " + keys + ": key a: its algorithm is not the PCS_SIGN_ALG, hmac");
    }

    @Test
    void diagnose_secrets_areKnownAndNotShown() {
        Diagnosed<BackendConfig> known = BackendConfig.diagnose(
                Map.of(
                        "PCS_SIGN_ALG", "hmac",
                        "PCS_HMAC_KEYS", "key-1,key-2",
                        "METRICS_USER", "ann",
                        "METRICS_PASS", "pw-1",
                        "REDIS_URI", "rediss://:pw%2D2@h:6379",
                        "POSTGRES_CONN", "postgresql://bob:pw-3@h/d?sslpassword=pw-4"),
                null);

        assertThat(known.secrets())
                .containsExactlyInAnyOrder(
                        "key-1,key-2", "key-1", "key-2", "pw-1", "YW5uOnB3LTE=", "pw%2D2", "pw-2", "pw-3", "pw-4");
        assertThat(known.config()).isPresent();
        assertThat(known.text())
                .contains("PCS_HMAC_KEYS        set (environment)\n", "PCS_HMAC_KEY         not set\n")
                .contains("REDIS_URI            rediss://:***@h:6379 (environment)\n")
                .contains("POSTGRES_CONN        postgresql://bob:***@h/d?sslpassword=*** (environment)\n")
                .doesNotContain(known.secrets());
    }
}
