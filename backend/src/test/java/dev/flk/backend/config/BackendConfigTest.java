// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.backend.dedup.StoreConfig;
import dev.flk.backend.keys.KeysFixture;
import dev.flk.backend.keys.SigningConfig;
import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.backend.testing.TestAuthority;
import dev.flk.backend.tls.TlsFiles;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Secret;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
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
            PCS_SIGN_ALG=hmac;PCS_HMAC_KEY=do-not-print-me\uFFFD | PCS_HMAC_KEY: has characters that got lost
            PCS_SIGN_ALG=hmac;PCS_HMAC_KEYS=do-not-print-me, | PCS_HMAC_KEYS
            PCS_SIGN_ALG=none;METRICS_USER=ann | METRICS_PASS: only one of the two
            PCS_SIGN_ALG=none;TLS_CERT=own.crt | TLS_CERT, TLS_KEY: only one of the two is set; set both or neither
            PCS_SIGN_ALG=none;TLS_CLIENT_CA=own.crt | TLS_CLIENT_CA: is set without TLS_CERT and TLS_KEY
            PCS_SIGN_ALG=none;OPS_BIND_ADDR=::1 | OPS_BIND_ADDR: is set without OPS_PORT; set both or neither
            PCS_SIGN_ALG=none;REDIS_URI=http://:do-not-print-me@h | REDIS_URI
            PCS_SIGN_ALG=none;DEDUP_BACKEND=redis | REDIS_URI, REDIS_ADDR: none is set, and DEDUP_BACKEND=redis needs one
            PCS_SIGN_ALG=none;DEDUP_BACKEND=redis;REDIS_ADDR=h:1;REDIS_URI=redis://h:1 | REDIS_URI, REDIS_ADDR: both are set
            PCS_SIGN_ALG=none;DEDUP_BACKEND=postgres | POSTGRES_CONN: not set; DEDUP_BACKEND=postgres needs it
            PCS_SIGN_ALG=none;POSTGRES_CONN=postgres://u:do-not-print-me@/d | POSTGRES_CONN: the value is not a Postgres URI
            PCS_SIGN_ALG=none;PORT=81;PORT_FILE=port | PORT_FILE is set too
            PCS_SIGN_ALG=none;PCS_HMAC_KEY_FILE=empty | is empty
            """)
    void load_mistakeInTheEnvironment_isTheOnlyProblem_andNoSecretIsShown(String settings, String problem)
            throws IOException {
        write("port", "80");
        write("empty", "\n");
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

    @ParameterizedTest
    @CsvSource({
        "token_rat=5, TOKEN_RATE?",
        "'PORT=1\nPORT=2', PORT: is set twice",
        "#\u00e4, not UTF-8",
        ", none.properties: can't be read: there is no such file"
    })
    void load_mistakeInTheFile_isTheOnlyProblem(String text, String problem) throws IOException {
        Path file = text == null
                ? dir.resolve("none.properties")
                : Files.writeString(dir.resolve("flk.properties"), text, StandardCharsets.ISO_8859_1);

        assertThat(problems(Map.of("PCS_SIGN_ALG", "none"), file))
                .singleElement()
                .asString()
                .contains(problem);
    }

    @Test
    void load_bothSet_theEnvironmentWinsUnlessItIsEmpty() throws IOException {
        Path file = write("flk.properties", "PORT=1111\nMAX_BATCH=3\nPCS_SIGN_ALG=none\n");

        BackendConfig config = BackendConfig.load(Map.of("PORT", "2222", "MAX_BATCH", ""), file);

        assertThat(config.http().port()).isEqualTo(2222);
        assertThat(config.http().maxBatchLines()).isEqualTo(3);
    }

    @ParameterizedTest
    @CsvSource({"'\u00e4 key \n\n','\u00e4 key \n'", "'key\r\n',key"})
    void load_secretInAFile_dropsOneFinalNewline(String text, String secret) throws IOException {
        Path file = write("key", text);

        assertThat(BackendConfig.load(Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY_FILE", file.toString()), null)
                        .signing())
                .isEqualTo(new SigningConfig.Hmac(List.of(new Secret(secret))));
    }

    @Test
    void secrets_areNeverShown() {
        assertThat(BackendConfig.load(withSecrets(), null).toString()).doesNotContain(SECRET);
        assertThat(BackendConfig.describe(withSecrets(), null))
                .doesNotContain(SECRET)
                .containsPattern("PCS_HMAC_KEY +\\(set, not shown\\) +environment");
    }

    @Test
    void load_severalProblems_listsThemAll() {
        var environment = Map.of("PORT", "x", "TOKEN_RATE", "-1", "DEDUP_TTL", "20d", "LOG_LEVEL", "?");

        assertThat(problems(environment, null))
                .extracting(problem -> problem.substring(0, problem.indexOf(':')))
                .containsExactlyInAnyOrder("PORT", "TOKEN_RATE", "WAL_RETENTION", "LOG_LEVEL", "PCS_SIGN_ALG");
    }

    @Test
    void load_filesOfTls_byTheNamesThatTheAgentHas() throws IOException {
        TestAuthority.named("a").issue("own", "localhost").writeTo(dir, "own");
        Path file = write(
                "flk.properties",
                "PCS_SIGN_ALG=none\nTLS_CERT_FILE=%1$s/own.crt\nTLS_KEY_FILE=%1$s/own.key\n".formatted(dir));

        assertThat(BackendConfig.load(Map.of(), file).tls())
                .contains(new TlsFiles(dir.resolve("own.crt"), dir.resolve("own.key"), Optional.empty()));
    }

    @Test
    void load_keyItselfInsteadOfItsFile_isAProblemThatDoesNotShowIt() {
        String key = TestAuthority.named("a").issue("own", "localhost").keyPem();
        var environment = Map.of("PCS_SIGN_ALG", "none", "TLS_CERT", "/x.crt", "TLS_KEY", key);

        assertThat(problems(environment, null))
                .contains("TLS_KEY: is the text itself; write it to a file, and set TLS_KEY to its name")
                .noneMatch(problem ->
                        problem.contains(key.lines().skip(1).findFirst().orElseThrow()));
        assertThat(BackendConfig.diagnose(environment, null).text())
                .doesNotContain(key.lines().skip(1).findFirst().orElseThrow());
    }

    @Test
    @Timeout(20)
    void fileThatIsAPipeOrFarTooLong_isAProblem(@TempDir Path dir) throws Exception {
        Path pipe = dir.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        Path sparse = dir.resolve("sparse");
        try (RandomAccessFile file = new RandomAccessFile(sparse.toFile(), "rw")) {
            file.setLength(1L << 40);
        }

        assertThat(problems(Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY_FILE", pipe.toString()), null))
                .contains("PCS_HMAC_KEY_FILE: " + pipe + " is no regular file");
        assertThat(problems(Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY_FILE", sparse.toString()), null))
                .contains("PCS_HMAC_KEY_FILE: " + sparse + " is longer than 1048576 bytes");
    }

    @Test
    void load_redisOfEveryForm_isTaken() {
        for (String uri : List.of(
                "redis://h",
                "rediss://user:p%40ss@h:6380/1?verifyPeer=ca",
                "redis+tls://h:1",
                "redis-socket:///run/redis.sock",
                "redis-sentinel://:pass@h1:26379,h2:26379/0#primary",
                "rediss-sentinel://h1,h2?sentinelMasterId=primary")) {
            var environment = Map.of("PCS_SIGN_ALG", "none", "DEDUP_BACKEND", "redis", "REDIS_URI", uri);

            assertThat(BackendConfig.load(environment, null).store())
                    .isEqualTo(new StoreConfig.Redis(new Secret(uri), Duration.ofSeconds(1)));
        }
    }

    @Test
    void load_jdbcUrlOfPostgres_hasUserAndPasswordAmongItsParameters() {
        var environment = Map.of(
                "PCS_SIGN_ALG",
                "none",
                "DEDUP_BACKEND",
                "postgres",
                "POSTGRES_CONN",
                "jdbc:postgresql://h/d?user=ann&sslmode=require&password=" + SECRET);

        assertThat(BackendConfig.load(environment, null).store())
                .isEqualTo(new StoreConfig.Postgres(new PostgresConfig(
                        "jdbc:postgresql://h/d?sslmode=require", "ann", new Secret(SECRET), 4, Duration.ofSeconds(1))));
    }

    @Test
    void load_stateInPostgres_remembersInStateDir() {
        var environment = new HashMap<>(Map.of(
                "PCS_SIGN_ALG",
                "none",
                "STATE_ENGINE",
                "postgres",
                "POSTGRES_CONN",
                "postgresql://u:p@h/d",
                "STATE_DIR",
                dir.resolve("state").toString()));

        assertThat(BackendConfig.load(environment, null).state().orElseThrow().knownHistory())
                .contains(dir.resolve("state").resolve("postgres.known"));
        environment.put("WAL_DIR", dir.resolve("state").toString());
        assertThat(problems(environment, null)).singleElement().asString().startsWith("STATE_DIR: is WAL_DIR");
    }

    @Test
    void toString_parametersOfPostgres_areNotShown() {
        PostgresConfig postgres = new PostgresConfig(
                "jdbc:postgresql://h:5432/d?sslkey=k&sslpassword=" + SECRET,
                "ann",
                new Secret(SECRET),
                4,
                Duration.ofSeconds(1));
        assertThat(postgres.toString()).contains("h:5432/d").doesNotContain(SECRET);
    }

    @Test
    void describe_everyKey_tellsValueAndOrigin() throws IOException {
        Path file = write("flk.properties", "MAX_BATCH=3\nPCS_SIGN_ALG=none\n");

        assertThat(BackendConfig.describe(Map.of("PORT", "2222"), file))
                .containsPattern("(?m)^PORT +2222 +environment$")
                .containsPattern("(?m)^MAX_BATCH +3 +file$")
                .containsPattern("(?m)^IDLE_TIMEOUT +75s +default$")
                .containsPattern("(?m)^TOKEN_BURST +200 +2 x TOKEN_RATE$")
                .containsPattern("(?m)^REDIS_URI +- +not set$");
    }

    @Test
    void describe_longValue_staysWithinEightyColumns() {
        String path = "/a-rather-long-directory-name".repeat(9);

        String table = BackendConfig.describe(Map.of("PCS_SIGN_ALG", "none", "WAL_DIR", path), null);

        assertThat(table.lines()).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
        assertThat(table.replaceAll("\\R +", "")).contains(path);
    }

    private static Map<String, String> withSecrets() {
        Map<String, String> environment = new HashMap<>();
        environment.put("PCS_SIGN_ALG", "hmac");
        environment.put("PCS_HMAC_KEY", SECRET);
        environment.put("PCS_HMAC_KEYS", SECRET + "," + SECRET);
        environment.put("METRICS_USER", "ann");
        environment.put("METRICS_PASS", SECRET);
        environment.put("REDIS_URI", "redis://:" + SECRET + "@h:1");
        environment.put("DEDUP_BACKEND", "postgres");
        environment.put("POSTGRES_CONN", "postgres://u:" + SECRET + "@h/d");
        return environment;
    }

    private static List<String> problems(Map<String, String> environment, Path file) {
        return catchThrowableOfType(InvalidConfig.class, () -> BackendConfig.load(environment, file))
                .problems();
    }

    private Path write(String name, String text) throws IOException {
        return Files.writeString(dir.resolve(name), text, StandardCharsets.UTF_8);
    }

    @Test
    void keysFile_besideOtherKeysOrNone_isAProblem(@TempDir Path keysDirectory) throws Exception {
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
                        "PCS_SIGN_ALG: none takes unsigned certificates, so KEYS_FILE has no use; remove one of the two");
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

    @Test
    void diagnose_mistakes_areTold_andTheRestIsStillThere() {
        Diagnosed<BackendConfig> known =
                BackendConfig.diagnose(Map.of("PCS_HMAC_KEY", "key-1", "PORT", "eighty", "TOL_D", "0.2"), null);

        assertThat(known.config()).isEmpty();
        assertThat(known.text())
                .contains("TOL_D                0.2 (environment)\n", "PROBLEM PORT: 'eighty' is not a whole number")
                .doesNotContain("key-1");
    }
}
