// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.health;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpServer;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.logs.LogEntry;
import dev.flk.backend.logs.LogRegistry;
import dev.flk.backend.logs.LogRegistry.Change.Put;
import dev.flk.backend.logs.postgres.PostgresRegistry;
import dev.flk.backend.logs.redis.RedisRegistry;
import dev.flk.backend.run.Backend;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.config.Secret;
import dev.flk.program.health.Check;
import dev.flk.program.health.Finding;
import dev.flk.testkit.FreePort;
import dev.flk.testkit.KafkaCluster;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.RedisServer;
import dev.flk.testkit.TestAuthority;
import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the faults that a backend's health checks report, against real servers. */
@Timeout(120)
final class BackendHealthTest {
    private static final TestAuthority AUTHORITY = TestAuthority.named("authority");
    private static final Duration PATIENT = Duration.ofSeconds(20);
    private static final Duration IMPATIENT = Duration.ofMillis(300);
    private static final String PASSWORD = "s3cr3t-pa55";

    @TempDir
    private Path directory;

    private final Map<String, String> settings = new TreeMap<>();
    private final List<AutoCloseable> opened = new ArrayList<>();
    private final int port = FreePort.choose();
    private InstantSource clock = InstantSource.system();
    private Duration requestTimeout = PATIENT;

    @AfterEach
    void closeAll() throws Exception {
        for (AutoCloseable each : opened) {
            each.close();
        }
    }

    private <T extends AutoCloseable> T opened(T part) {
        opened.add(0, part);
        return part;
    }

    private BackendConfig config() {
        Map<String, String> all = new TreeMap<>(Map.of(
                "PORT", Integer.toString(port),
                "BIND_ADDR", "127.0.0.1",
                "PCS_SIGN_ALG", "none",
                "DEDUP_DIR", directory.resolve("dedup").toString(),
                "WAL_DIR", directory.resolve("wal").toString()));
        all.putAll(settings);
        return BackendConfig.load(all, null);
    }

    /** Runs the checks of a subject and returns each finding as {@code GRADE subject: text}. */
    private List<String> look(String subject) throws Exception {
        BackendConfig config = config();
        List<Finding> found = new ArrayList<>();
        String scheme = config.tls().isPresent() ? "https" : "http";
        for (Check check : BackendHealth.checks(
                config, Optional.of(URI.create(scheme + "://127.0.0.1:" + port)), requestTimeout, clock)) {
            if (check.subject().equals(subject)) {
                try {
                    check.look().look(found::add);
                } catch (IOException e) {
                    found.add(Finding.bad(subject, IoMessages.describe(e)));
                }
            }
        }
        List<String> texts = found.stream()
                .map(each -> each.grade() + " " + each.subject() + ": " + each.text())
                .toList();
        assertThat(texts).noneMatch(text -> text.contains(PASSWORD) || text.contains(PostgresServer.PASSWORD));
        return texts;
    }

    private String only(String subject) throws Exception {
        List<String> found = look(subject);
        assertThat(found).hasSize(1);
        return found.get(0);
    }

    private Backend start() throws IOException {
        BackendConfig config = config();
        return opened(Backend.start(config, "test", () -> config));
    }

    @Test
    void archive_segmentWaits_isReportedByItsAge() throws Exception {
        assertThat(look("archive")).isEmpty();
        settings.put("WAL_ARCHIVE_COMMAND", "/opt/ship %p %f");
        assertThat(only("archive"))
                .startsWith("BAD archive: WAL_DIR " + directory.resolve("wal") + " has no log")
                .endsWith("restore the log with flk-backend wal restore, or begin a new one with flk-backend wal init"
                        + " --new");
        LogOptions options = LogOptions.of(directory.resolve("wal"), "inbox", "policy");
        try (Log log = Log.start(new DiskFiles(), options, LogListener.NONE)) {
            CompletableFuture<Long> forced = new CompletableFuture<>();
            log.append(new Log.Append() {
                @Override
                public List<Entry> entries() {
                    return List.of(new Entry('e', "none", 0, new byte[1]));
                }

                @Override
                public void forced(long firstSequence) {
                    forced.complete(firstSequence);
                }

                @Override
                public void failed(IOException cause) {
                    forced.completeExceptionally(cause);
                }
            });
            assertThat(forced.join()).isEqualTo(1);
        }
        assertThat(only("archive")).startsWith("GOOD archive: no segment in ").endsWith(" has waited for 30 min 0 s");
        Instant now = Instant.now();
        clock = () -> now.plus(Duration.ofHours(1));
        assertThat(only("archive"))
                .matches("DOUBTFUL archive: inbox-\\d{8}-0{15}1\\.wal in .* has waited for 1 h 0 min: .*");
        clock = () -> now.plus(Duration.ofHours(7));
        assertThat(only("archive")).startsWith("BAD archive: inbox-");
    }

    @Test
    void copy_topicAndBrokersAreChecked() throws Exception {
        assertThat(look("copy")).isEmpty();
        settings.put("LOG_NAME", "b1");
        settings.put("LOG_COPY", "kafka");
        settings.put("KAFKA_BROKERS", "127.0.0.1:" + FreePort.choose());
        assertThat(only("copy"))
                .startsWith("BAD copy: Kafka at 127.0.0.1:")
                .contains(", topic flk.inbox.b1: no answer in time; check that the brokers run");
        try (KafkaCluster kafka = KafkaCluster.start(1, Map.of())) {
            settings.putAll(kafka.configuration());
            assertThat(only("copy"))
                    .startsWith("BAD copy: Kafka at ")
                    .contains(", topic flk.inbox.b1: the topic does not exist; create it: ");
        }
    }

    @Test
    void backend_startWaitsForTheBrokers_isReportedWithTheReason() throws Exception {
        settings.put("LOG_COPY", "kafka");
        settings.put("LOG_NAME", "b1");
        settings.put("KAFKA_BROKERS", "127.0.0.1:" + FreePort.choose());
        Thread starting = new Thread(() -> assertThatThrownBy(this::start).hasMessageContaining("interrupted"));
        starting.start();

        await().untilAsserted(() -> assertThat(look("backend"))
                .contains("BAD backend: log: starting")
                .anyMatch(line -> line.startsWith("BAD backend: copy: Error reaching Kafka: Kafka at ")));

        starting.interrupt();
        starting.join();
    }

    @Test
    void backend_startingThenReady() throws Exception {
        settings.put("DEDUP_BACKEND", "memory");
        Backend backend = start();
        assertThat(look("backend"))
                .containsExactly(
                        "BAD backend: runs at http://127.0.0.1:" + port + ", but is not ready",
                        "BAD backend: log: starting",
                        "BAD backend: dedup: starting");

        backend.serve();

        await().untilAsserted(() ->
                assertThat(only("backend")).isEqualTo("GOOD backend: is ready at http://127.0.0.1:" + port));
    }

    @Test
    void backend_notRunning_isNamed() throws Exception {
        assertThat(only("backend"))
                .isEqualTo("BAD backend: nothing listens at http://127.0.0.1:" + port + "; start it");
    }

    @Test
    void backend_acceptsWithoutAnswering_isNamed() throws Exception {
        opened(new ServerSocket(port, 5, InetAddress.getLoopbackAddress()));
        requestTimeout = IMPATIENT;
        assertThat(only("backend"))
                .isEqualTo("BAD backend: http://127.0.0.1:" + port + "/readyz does not answer within 0 s");
    }

    @Test
    void backend_anotherProgramOnThePort_isNamed() throws Exception {
        HttpServer other = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        opened(() -> other.stop(0));
        other.start();
        assertThat(only("backend"))
                .isEqualTo("BAD backend: http://127.0.0.1:" + port
                        + "/readyz answers 404 without a list of components; is another program on that port?");
    }

    private void useTls(String name) {
        settings.put("TLS_CERT", directory.resolve(name + ".crt").toString());
        settings.put("TLS_KEY", directory.resolve(name + ".key").toString());
    }

    @Test
    void backendWithTls_certificateOfAnyHostNameIsGood_anotherCertificateIsNamed() throws Exception {
        AUTHORITY.issue("own", "backend.example.com").writeTo(directory, "own");
        AUTHORITY.issue("other", "backend.example.com").writeTo(directory, "other");
        settings.put("DEDUP_BACKEND", "memory");
        useTls("own");
        start().serve();
        await().untilAsserted(() ->
                assertThat(only("backend")).isEqualTo("GOOD backend: is ready at https://127.0.0.1:" + port));

        useTls("other");

        assertThat(only("backend")).contains("BAD backend: ", "a certificate of CN=own", "not the one in TLS_CERT");
    }

    @Test
    void backendWithClientCertificates_isDoubtful() throws Exception {
        AUTHORITY.issue("own").writeTo(directory, "own");
        settings.put("DEDUP_BACKEND", "memory");
        useTls("own");
        settings.put(
                "TLS_CLIENT_CA",
                AUTHORITY.writeTo(directory.resolve("clients.crt")).toString());
        start().serve();
        assertThat(only("backend"))
                .startsWith("DOUBTFUL backend: listens at 127.0.0.1:" + port)
                .contains("OPS_PORT");
    }

    private RedisServer redis(String... arguments) {
        RedisServer server = opened(RedisServer.start(directory.resolve("redis"), arguments));
        use(server, "");
        return server;
    }

    private void use(RedisServer server, String login) {
        settings.put("DEDUP_BACKEND", "redis");
        settings.put("REDIS_URI", server.uri().replace("//", "//" + login));
    }

    @Test
    void redis_eachFault_isNamed() throws Exception {
        RedisServer server = redis();
        String where = "127.0.0.1:" + server.port();
        assertThat(only("redis")).isEqualTo("GOOD redis: " + where + " accepts reads and writes");

        clock = InstantSource.offset(InstantSource.system(), Duration.ofMinutes(10));
        assertThat(look("redis").get(1))
                .matches("BAD clock: the clock of " + where + " is (9 min 59|10 min 0) s behind; synchronise .*");
        clock = InstantSource.system();

        server.send("CONFIG", "SET", "maxmemory", "1");
        assertThat(only("redis")).startsWith("BAD redis: " + where + " has no memory left (maxmemory); raise that");
        server.send("CONFIG", "SET", "maxmemory", "0");

        server.send("REPLICAOF", "127.0.0.1", "1");
        assertThat(only("redis")).startsWith("BAD redis: " + where + " is a replica and accepts no writes");
        server.send("REPLICAOF", "NO", "ONE");

        use(server, "flk:" + PASSWORD + "@");
        assertThat(only("redis")).startsWith("BAD redis: " + where + " does not accept this user name and password");
        server.send(
                "ACL",
                "SETUSER",
                "flk",
                "on",
                ">" + PASSWORD,
                "~flk:*",
                "-@all",
                "+set",
                "+mget",
                "+eval",
                "+hello",
                "+ping",
                "+client|setname");
        assertThat(look("redis"))
                .containsExactly(
                        "GOOD redis: " + where + " accepts reads and writes",
                        "DOUBTFUL clock: the clock of " + where + " is not known; add +time to the ACL of this user");

        settings.put("DEDUP_TIMEOUT", IMPATIENT.toMillis() + "ms");
        server.pause();
        assertThat(only("redis")).startsWith("BAD redis: " + where + " did not answer within 300ms (DEDUP_TIMEOUT)");
        server.resume();
        server.kill();
        assertThat(only("redis")).startsWith("BAD redis: " + where + " refused the connection; start it");
    }

    /** Adds a log to the registry that was reported some time ago. */
    private static LogEntry report(LogRegistry registry, int number, String name, String policy, Duration ago) {
        LogEntry entry = new LogEntry(
                "%032x".formatted(number),
                name,
                "%016x".formatted(number),
                "host-" + number + ":8080",
                "1.0",
                policy,
                "k",
                0,
                Instant.now().minus(ago).toEpochMilli(),
                number * 1_000L,
                0,
                false,
                false,
                null);
        registry.update(List.of(new Put(entry)));
        return entry;
    }

    private static LogEntry ended(LogEntry entry) {
        return LogEntry.parse(entry.text().replace("\"ended\":false", "\"ended\":true"))
                .orElseThrow();
    }

    private void lookAtLogs(LogRegistry registry) throws Exception {
        settings.put("LOG_NAME", "own");
        assertThat(only("logs")).isEqualTo("GOOD logs: the store knows 0 logs");
        report(registry, 1, "a", "p1", Duration.ofMinutes(1));
        report(registry, 2, "b", "p1", Duration.ofMinutes(9));
        assertThat(only("logs")).isEqualTo("GOOD logs: the store knows 2 logs, none of which is missing");

        report(registry, 2, "b", "p2", Duration.ofMinutes(1));
        assertThat(look("logs"))
                .contains("DOUBTFUL logs: backends of this store decide by different policies: a has p1, b has p2; if"
                        + " no rollout is under way, give all the same settings");
        report(registry, 2, "b", "p2", Duration.ofMinutes(9));
        report(registry, 3, "c", "p3", Duration.ofMinutes(11));
        assertThat(only("logs"))
                .matches("BAD logs: the log c \\(0{31}3\\) is missing: no backend has reported it for 11 min 0 s; bring"
                        + " its disk back, or restore it from its archive with flk-backend wal restore, or give it up"
                        + " with flk-backend logs forget");
        registry.update(List.of(new Put(ended(report(registry, 3, "c", "p3", Duration.ofMinutes(11))))));

        report(registry, 4, "own", "p1", Duration.ofDays(1));
        assertThat(only("logs"))
                .startsWith("BAD logs: WAL_DIR " + directory.resolve("wal") + " has no log, but the store knows the"
                        + " log own (" + "0".repeat(31)
                        + "4) with 4000 records (instance 0000000000000004 on host-4:8080 has had it since"
                        + " 1970-01-01T00:00:00Z and reported it last at ")
                .contains("flk-backend wal restore", "flk-backend wal init --new", "set another LOG_NAME");
        Files.writeString(Files.createDirectory(directory.resolve("wal")).resolve("inbox.mark"), "");
        assertThat(only("logs"))
                .as("another check says that the backend does not run")
                .isEqualTo("GOOD logs: the store knows 4 logs, none of which is missing");
    }

    @Test
    void logsInRedis_eachFault_isNamed() throws Exception {
        RedisServer server = redis();
        try (LogRegistry registry =
                new RedisRegistry(new RedisConfig(new Secret(server.uri()), Duration.ofSeconds(10)))) {
            lookAtLogs(registry);
        }
        server.kill();
        assertThat(only("logs"))
                .startsWith("DOUBTFUL logs: are not known, because the store can't be asked: 127.0.0.1:");
    }

    @Test
    void logsInPostgres_eachFault_isNamed_andNoTableIsCreated() throws Exception {
        PostgresServer server = PostgresServer.shared();
        String database = server.newDatabase();
        usePostgres(server.uri(database));
        settings.put("DEDUP_TIMEOUT", "10s");
        assertThat(only("logs")).isEqualTo("GOOD logs: the store knows 0 logs");
        assertThat(look("postgres")).anyMatch(text -> text.contains("dedup: 2 migrations missing"));
        try (LogRegistry registry =
                new PostgresRegistry(PostgresStores.config(server, database, Duration.ofSeconds(10)))) {
            lookAtLogs(registry);
        }
    }

    @Test
    void logsOfAStoreThatIsNotShared_areNotChecked() throws Exception {
        settings.put("DEDUP_BACKEND", "embedded");
        assertThat(look("logs")).isEmpty();
    }

    private String usePostgres(String uri) {
        settings.put("DEDUP_BACKEND", "postgres");
        settings.put("POSTGRES_CONN", uri);
        return uri.substring(uri.indexOf('@') + 1);
    }

    @Test
    void postgres_eachFault_isNamed() throws Exception {
        PostgresServer server = PostgresServer.shared();
        String database = server.newDatabase();
        String where = usePostgres(server.uri(database));
        settings.put("DEDUP_TIMEOUT", "10s");
        clock = InstantSource.offset(InstantSource.system(), Duration.ofMinutes(10));
        server.execute("postgres", "ALTER DATABASE " + database + " SET default_transaction_read_only = on");
        List<String> found = look("postgres");
        assertThat(found.get(0)).matches("GOOD postgres: " + where + " answers; [0-9]+ of 9 points of .*");
        assertThat(found)
                .contains(
                        "BAD postgres: migrations: dedup: 2 migrations missing, record: 3 migrations missing; start a backend of this version, which"
                                + " migrates the tables",
                        "BAD postgres: writable: the server refuses writes; set POSTGRES_CONN to the primary, or"
                                + " default_transaction_read_only to off")
                .anyMatch(text -> text.matches("BAD clock: the clock of the server is [0-9.]+ s slow; synchronise .*"));

        usePostgres(server.uri(database).replace(PostgresServer.PASSWORD, PASSWORD));
        assertThat(only("postgres")).startsWith("BAD postgres: Postgres at " + where + ": the login is refused");
        String nowhere = usePostgres(server.uri("nowhere"));
        assertThat(only("postgres")).startsWith("BAD postgres: Postgres at " + nowhere + ": there is no such database");
        String closed = usePostgres("postgresql://127.0.0.1:" + FreePort.choose() + "/flk");
        assertThat(only("postgres")).startsWith("BAD postgres: Postgres at ").contains("can't be reached: ");
        assertThat(closed).isNotEmpty();
    }

    @Test
    void disk_becomesFull_isNamed() throws Exception {
        assertThat(look("disk")).hasSize(3).allMatch(text -> text.matches("GOOD disk: [A-Z]+_DIR .* has .* free"));

        settings.put("WAL_MIN_FREE_BYTES", "1000000TiB");

        assertThat(look("disk"))
                .anyMatch(text -> text.startsWith("BAD disk: WAL_DIR ")
                        && text.endsWith(" (976.6 PiB): no certificate is accepted; free space"))
                .anyMatch(text -> text.startsWith("BAD disk: DEDUP_DIR ") && text.contains("no outcome is recorded"));
    }

    @Test
    void disk_nearlyFull_isDoubtful() throws Exception {
        long free = Files.getFileStore(directory).getUsableSpace();
        settings.put("WAL_MIN_FREE_BYTES", Long.toString(free * 3 / 4));
        assertThat(look("disk").get(0)).startsWith("DOUBTFUL disk: WAL_DIR ").contains("; below WAL_MIN_FREE_BYTES (");
    }

    @Test
    void directoryIsAFile_isNamed() throws Exception {
        Path file = Files.createFile(directory.resolve("wal"));
        assertThat(look("disk").get(0)).isEqualTo("BAD disk: WAL_DIR: " + file + " is a file, but must be a directory");
    }

    @Test
    void clock_setBack_isNamed() throws Exception {
        assertThat(look("clock")).isEmpty();
        Path log = Files.createDirectory(directory.resolve("wal"));
        Path file = Files.createFile(log.resolve("segment"));
        Files.createSymbolicLink(log.resolve("gone"), log.resolve("missing"));
        assertThat(only("clock")).isEqualTo("GOOD clock: is not earlier than the files in " + log);

        Files.setLastModifiedTime(file, FileTime.from(Instant.now().plus(Duration.ofHours(2))));

        assertThat(only("clock"))
                .startsWith("BAD clock: this machine's clock is 1 h 59 min earlier than the newest file in " + log);
    }

    private void keysFile(String validUntil, String state) throws IOException {
        Path file = directory.resolve("keys.json");
        Files.writeString(
                file, """
                {"version": 1, "keys": [{"id": "north", "algorithm": "ed25519",
                  "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
                  "shards": ["north"]%s, "state": "%s"}]}
                """.formatted(validUntil.isEmpty() ? "" : ", \"valid_until\": \"" + validUntil + "\"", state));
        settings.put("PCS_SIGN_ALG", "ed25519");
        settings.put("KEYS_FILE", file.toString());
    }

    @Test
    void keys_eachState_isNamed() throws Exception {
        assertThat(only("keys")).isEqualTo("DOUBTFUL keys: PCS_SIGN_ALG=none: signatures are not checked");
        keysFile("", "active");
        assertThat(only("keys")).isEqualTo("GOOD keys: 1 of 1 key in " + directory.resolve("keys.json") + " may sign");
        keysFile("", "revoked");
        assertThat(only("keys")).contains("BAD keys: ", " has no key that may sign now");
        keysFile("2020-01-01T00:00:00Z", "active");
        assertThat(only("keys")).contains("BAD keys: ", " has no key that may sign now");
        Instant soon = Instant.parse("2033-01-10T00:00:00Z");
        clock = InstantSource.fixed(soon.minus(Duration.ofDays(20)));
        keysFile(soon.toString(), "active");
        assertThat(look("keys"))
                .hasSize(2)
                .contains("DOUBTFUL keys: these expire soon: north on 2033-01-10T00:00:00Z; give their agents new"
                        + " keys, see docs/keys.md");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "-30 |  -1 | BAD tls: TLS_CERT F expired on ",
                "-30 |   2 | BAD tls: TLS_CERT F expires in 1 d 23 h, on ",
                "-30 |  20 | DOUBTFUL tls: TLS_CERT F expires in 19 d 23 h, on ",
                "-30 |  22 | GOOD tls: TLS_CERT F is valid until ",
                "  1 |  30 | BAD tls: TLS_CERT F is not valid before "
            })
    void tlsCertificate_isGradedByItsValidity(int fromDays, int untilDays, String expected) throws Exception {
        Instant now = Instant.now();
        AUTHORITY
                .issue("own", now.plus(Duration.ofDays(fromDays)), now.plus(Duration.ofDays(untilDays)))
                .writeTo(directory, "own");
        useTls("own");
        settings.put(
                "TLS_CLIENT_CA",
                AUTHORITY.writeTo(directory.resolve("clients.crt")).toString());
        assertThat(look("tls"))
                .hasSize(2)
                .anyMatch(text -> text.replace(settings.get("TLS_CERT"), "F").startsWith(expected.strip()))
                .anyMatch(text -> text.startsWith("GOOD tls: TLS_CLIENT_CA " + directory.resolve("clients.crt")));
    }
}
