// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.backend.keys.KeysFixture;
import dev.flk.backend.testing.TestAuthority;
import dev.flk.backend.tls.TlsFiles;
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

class BackendConfigTest {
    private static final String SECRET = "do-not-print-me";

    @TempDir
    private Path dir;

    @Test
    void load_nothingSet_saysThatTheAlgorithmMustBeChosen() {
        assertThat(problems(Map.of(), null)).singleElement().asString().contains("PCS_SIGN_ALG: not set; set it to");
    }

    @Test
    void load_severalProblems_listsThemAll() {
        var environment = Map.of("PORT", "x", "TOKEN_RATE", "-1", "DEDUP_TTL", "20d", "LOG_LEVEL", "?");

        assertThat(problems(environment, null))
                .extracting(problem -> problem.substring(0, problem.indexOf(':')))
                .containsExactlyInAnyOrder("PORT", "TOKEN_RATE", "WAL_RETENTION", "LOG_LEVEL", "PCS_SIGN_ALG");
    }

    @Test
    void load_bothSet_theEnvironmentWins() throws IOException {
        Path file = write("flk.properties", "PORT=1111\nMAX_BATCH=3\nPCS_SIGN_ALG=none\n");

        BackendConfig config = BackendConfig.load(Map.of("PORT", "2222"), file);

        assertThat(config.http().port()).isEqualTo(2222);
        assertThat(config.http().maxBatchLines()).isEqualTo(3);
    }

    @Test
    void load_emptyInTheEnvironment_countsAsNotSet() throws IOException {
        Path file = write("flk.properties", "PORT=1111");

        assertThat(BackendConfig.load(Map.of("PORT", "", "PCS_SIGN_ALG", "none"), file)
                        .http()
                        .port())
                .isEqualTo(1111);
    }

    @Test
    void load_charactersThatTheLocaleLost_areAProblem() {
        assertThat(problems(Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY", "schl\uFFFD\uFFFDssel"), null))
                .singleElement()
                .asString()
                .startsWith("PCS_HMAC_KEY: has characters that got lost")
                .contains("LC_ALL=C.UTF-8", "PCS_HMAC_KEY_FILE")
                .doesNotContain("schl");
    }

    @Test
    void load_halfOfTls_isAProblem() throws IOException {
        TestAuthority.named("a").issue("own", "localhost").writeTo(dir, "own");
        String certificate = dir.resolve("own.crt").toString();

        assertThat(problems(Map.of("PCS_SIGN_ALG", "none", "TLS_CERT", certificate), null))
                .containsExactly("TLS_CERT, TLS_KEY: only one of the two is set; set both, or none");
        assertThat(problems(Map.of("PCS_SIGN_ALG", "none", "TLS_CLIENT_CA", certificate), null))
                .singleElement()
                .asString()
                .startsWith("TLS_CLIENT_CA: is set without TLS_CERT and TLS_KEY");
        assertThat(problems(Map.of("PCS_SIGN_ALG", "none", "OPS_BIND_ADDR", "::1"), null))
                .containsExactly("OPS_BIND_ADDR: is set without OPS_PORT; set both, or none");
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
    void load_unknownNameInTheFile_asksWhatWasMeant() throws IOException {
        Path file = write("flk.properties", "token_rat=5\nPCS_SIGN_ALG=none\n");

        assertThat(problems(Map.of(), file))
                .singleElement()
                .asString()
                .contains("token_rat")
                .contains("TOKEN_RATE?");
    }

    @Test
    void load_nameTwiceInTheFile_isAProblem() throws IOException {
        Path file = write("flk.properties", "PORT=1\nPORT=2\nPCS_SIGN_ALG=none\n");

        assertThat(problems(Map.of(), file)).singleElement().asString().contains("PORT: stands twice");
    }

    @Test
    void load_fileThatIsNotThere_isAProblem() {
        assertThat(problems(Map.of("PCS_SIGN_ALG", "none"), dir.resolve("none.properties")))
                .singleElement()
                .asString()
                .contains("none.properties")
                .contains("no such file");
    }

    @Test
    void load_fileThatIsNotUtf8_isAProblem() throws IOException {
        Path file = Files.write(dir.resolve("latin1"), new byte[] {'#', (byte) 0xe4, '\n'});

        assertThat(problems(Map.of("PCS_SIGN_ALG", "none"), file))
                .singleElement()
                .asString()
                .contains("not UTF-8");
    }

    @Test
    void load_secretInAFile_dropsOneFinalNewline() throws IOException {
        Path file = write("key", "ä key \n\n");

        assertThat(signing(Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY_FILE", file.toString())))
                .isEqualTo(new SigningConfig.Hmac(List.of(new Secret("ä key \n"))));
    }

    @Test
    void load_secretInAFileOfWindows_dropsOneFinalNewline() throws IOException {
        Path file = write("key", "key\r\n");

        assertThat(signing(Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY_FILE", file.toString())))
                .isEqualTo(new SigningConfig.Hmac(List.of(new Secret("key"))));
    }

    @Test
    void load_valueAndFileOfTheValue_isAProblem() throws IOException {
        Path file = write("port", "80");

        assertThat(problems(Map.of("PCS_SIGN_ALG", "none", "PORT", "81", "PORT_FILE", file.toString()), null))
                .singleElement()
                .asString()
                .contains("PORT_FILE is set too");
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
    void load_emptyFileOfAValue_isAProblem() throws IOException {
        Path file = write("key", "\n");

        assertThat(problems(Map.of("PCS_SIGN_ALG", "none", "PCS_HMAC_KEY_FILE", file.toString()), null))
                .singleElement()
                .asString()
                .contains("is empty");
    }

    @Test
    void load_commaTooMany_isAProblemAndShowsNoKey() {
        assertThat(problems(Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEYS", SECRET + ","), null))
                .singleElement()
                .asString()
                .contains("PCS_HMAC_KEYS")
                .doesNotContain(SECRET);
    }

    @Test
    void load_hmacWithoutKey_saysWhatToSet() {
        assertThat(problems(Map.of("PCS_SIGN_ALG", "hmac"), null))
                .singleElement()
                .asString()
                .contains("PCS_HMAC_KEY_FILE");
    }

    @Test
    void load_metricsUserAlone_isAProblem() {
        assertThat(problems(Map.of("PCS_SIGN_ALG", "none", "METRICS_USER", "ann"), null))
                .singleElement()
                .asString()
                .contains("METRICS_PASS: only one of the two");
    }

    @Test
    void load_redisWithoutAServer_saysWhatToSet() {
        assertThat(problems(Map.of("PCS_SIGN_ALG", "none", "DEDUP_BACKEND", "redis"), null))
                .containsExactly("REDIS_URI, REDIS_ADDR: none is set, and DEDUP_BACKEND=redis needs one; "
                        + "set exactly one of the two");
    }

    @Test
    void load_redisWithTwoServers_saysWhatToSet() {
        var environment = Map.of(
                "PCS_SIGN_ALG", "none", "DEDUP_BACKEND", "redis", "REDIS_ADDR", "h:1", "REDIS_URI", "redis://h:1");

        assertThat(problems(environment, null)).singleElement().asString().contains("both are set");
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

            assertThat(BackendConfig.load(environment, null).storage().store())
                    .isEqualTo(new StorageConfig.Redis(new Secret(uri), Duration.ofSeconds(1)));
        }
    }

    @Test
    void load_malformedSecret_isNotShown() {
        assertThat(problems(Map.of("PCS_SIGN_ALG", "none", "REDIS_URI", "http://:" + SECRET + "@h"), null))
                .singleElement()
                .asString()
                .contains("REDIS_URI")
                .doesNotContain(SECRET);
    }

    @Test
    void load_postgresWithoutItsServer_saysWhatToSet() {
        assertThat(problems(Map.of("PCS_SIGN_ALG", "none", "DEDUP_BACKEND", "postgres"), null))
                .singleElement()
                .asString()
                .startsWith("POSTGRES_CONN: not set; DEDUP_BACKEND=postgres needs it");
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

        assertThat(BackendConfig.load(environment, null).storage().store())
                .isEqualTo(new StorageConfig.Postgres(
                        "jdbc:postgresql://h/d?sslmode=require", "ann", new Secret(SECRET), 4, Duration.ofSeconds(1)));
    }

    @Test
    void toString_parametersOfPostgres_areNotShown() {
        StorageConfig.Postgres postgres = new StorageConfig.Postgres(
                "jdbc:postgresql://h:5432/d?sslkey=k&sslpassword=" + SECRET,
                "ann",
                new Secret(SECRET),
                4,
                Duration.ofSeconds(1));
        assertThat(postgres.toString()).contains("h:5432/d").doesNotContain(SECRET);
    }

    @Test
    void load_malformedPostgresUri_doesNotShowIt() {
        assertThat(problems(Map.of("PCS_SIGN_ALG", "none", "POSTGRES_CONN", "postgres://u:" + SECRET + "@/d"), null))
                .singleElement()
                .asString()
                .startsWith("POSTGRES_CONN: the value is no Postgres URI")
                .doesNotContain(SECRET);
    }

    @Test
    void toString_secrets_areNotShown() {
        BackendConfig config = BackendConfig.load(withSecrets(), null);

        assertThat(config.toString()).doesNotContain(SECRET);
    }

    @Test
    void describe_secrets_areMasked() {
        assertThat(BackendConfig.describe(withSecrets(), null))
                .doesNotContain(SECRET)
                .containsPattern("PCS_HMAC_KEY +\\(set, not shown\\) +environment");
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

    private static SigningConfig signing(Map<String, String> environment) {
        return BackendConfig.load(environment, null).signing();
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
                .containsExactly("KEYS_FILE: " + keys + ": key a: its algorithm is not that of PCS_SIGN_ALG, hmac");
    }

    @Test
    void diagnose_secrets_areKnownAndNotShown() {
        BackendConfig.Diagnosed known = BackendConfig.diagnose(
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
        BackendConfig.Diagnosed known =
                BackendConfig.diagnose(Map.of("PCS_HMAC_KEY", "key-1", "PORT", "eighty", "TOL_D", "0.2"), null);

        assertThat(known.config()).isEmpty();
        assertThat(known.text())
                .contains("TOL_D                0.2 (environment)\n", "PROBLEM PORT: 'eighty' is no whole number")
                .doesNotContain("key-1");
    }
}
