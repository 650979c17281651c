// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.flk.backend.testing.TestAuthority;
import dev.flk.backend.testing.TestAuthority.Issued;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongFunction;
import java.util.function.Predicate;
import java.util.stream.LongStream;
import org.awaitility.core.ConditionTimeoutException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/**
 * Each alert, of real programs in a real Prometheus: a fault is caused, the alert fires; it is repaired as docs/runbooks.md says, the
 * alert ends. Hours last seconds here ({@link PrometheusServer#hastened}); promtool tests the same rules with their real lengths.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Tag("thorough")
final class AlertsInPrometheusIT {
    private static final Path RULES = Built.root().resolve("alerts/flk.rules.yaml");
    /**
     * No outsider can cause a 500 of a program error, the second takes a file system that hangs, and the third a state that fills a
     * disk, of which the log's disk is tried.
     */
    private static final Set<String> NOT_TO_BE_CAUSED =
            Set.of("InternalErrors warning", "FileWatchStuck critical", "StateDiskFilling warning");

    private static final String SECRET = "a secret of a plant";
    private static final TestAuthority AUTHORITY = TestAuthority.named("authority");
    private static final int MIB = 1 << 20;
    private static final String LONG = "\"" + "x".repeat(200_000) + "\"";

    @TempDir
    private static Path shared;

    private static PrometheusServer prometheus;
    private static final Set<String> seen = new TreeSet<>();

    @TempDir
    private Path directory;

    /** Whatever a test has started, the last first. */
    private final Deque<AutoCloseable> started = new ArrayDeque<>();

    private interface Step {
        void take() throws Exception;
    }

    @BeforeAll
    static void startPrometheus() throws Exception {
        prometheus = PrometheusServer.start(shared, PrometheusServer.hastened(Files.readString(RULES)));
    }

    @AfterEach
    void endAll() throws Exception {
        while (!started.isEmpty()) {
            started.pop().close();
        }
        prometheus.forgetAll();
    }

    @AfterAll
    static void endPrometheus() {
        if (prometheus != null) {
            prometheus.close();
        }
    }

    @Test
    @Order(1)
    void noBackendIsScraped() throws Exception {
        firesUntil("", () -> backend("absent", Map.of()), "BackendMetricsAbsent critical");
    }

    @Test
    @Order(2)
    void backendDoesNotKnowTheKey() throws Exception {
        BackendProcess backend = backend("keys", Map.of());
        AgentHome home = home("agent");
        Map<String, String> environment = home.sendingTo(backend.url());
        environment.put("PCS_HMAC_KEY", "the next key");
        home.spool("ten", LongStream.range(0, 10).mapToObj(Pcs::number).toList());
        agent("agent", home, environment);
        firesUntil(
                "keys",
                () -> {
                    assertThat(backend.program().terminate()).isEqualTo(143);
                    BackendProcess again = again("keys", backend, Map.of("PCS_HMAC_KEYS", Pcs.KEY + ",the next key"));
                    Client client = new Client(again.url());
                    Client.awaitUntil(() -> client.metric("flk_accepted") == 10);
                },
                "SignatureFailures critical");
    }

    @Test
    void producerWithAMistake_everythingIsEscalated() throws Exception {
        BackendProcess backend = backend("escalated", Map.of());
        Traffic broken = load(backend, epoch -> Pcs.number(epoch).with("regime", "\"non_sticky\""));
        firesUntil(
                "escalated",
                () -> {
                    broken.close();
                    load(backend, epoch -> Pcs.number(1_000_000 + epoch));
                },
                "HighEscalationRate warning",
                "EscalationBudgetBurn critical",
                "EscalationBudgetBurn warning");
    }

    @Test
    void diskOfTheLog_fillsAndIsFull() throws Exception {
        Path data = Files.createDirectory(directory.resolve("small"));
        SmallDisk disk = SmallDisk.of("1g", data);
        Map<String, String> environment = BackendProcess.environment();
        environment.put("WAL_DIR", data.resolve("wal").toString());
        environment.put("DEDUP_DIR", data.resolve("dedup").toString());
        environment.put("WAL_MIN_FREE_BYTES", "0");
        Program program = Program.behind(disk.mounting(), "flk-backend", directory, environment);
        started.push(program);
        BackendProcess backend = BackendProcess.of(program);
        prometheus.scrape("disk", backend.port());
        load(backend, Pcs::number);
        Path foreign = disk.seenFrom(program).resolve("foreign");
        Repeated growing = growing(foreign);
        firesUntil("disk", growing::close, "LogDiskFilling critical", "LogDiskFilling warning");
        SmallDisk.fillUp(foreign);
        Traffic beyondTheZerosAhead =
                load(backend, epoch -> Pcs.number(1_000_000 + epoch).with("not_named", LONG));
        firesUntil(
                "disk",
                () -> {
                    beyondTheZerosAhead.close();
                    Files.delete(foreign);
                },
                "WALErrors critical",
                "AvailabilityBudgetBurn critical",
                "AvailabilityBudgetBurn warning");
    }

    @Test
    void shardFallsSilent() throws Exception {
        BackendProcess backend = backend("silent", Map.of());
        load(backend, Pcs::number);
        Traffic line = load(backend, epoch -> Pcs.number(epoch).ofShard("line-7"));
        prometheus.awaitUp("silent");
        Client client = new Client(backend.url());
        Client.awaitUntil(() -> client.metric("flk_shard_newest_age_seconds{shard=\"line-7\",}") < 1);
        line.close();
        firesUntil(
                "silent",
                () -> load(backend, epoch -> Pcs.number(1_000_000 + epoch).ofShard("line-7")),
                "ShardSilent warning");
    }

    @Test
    void storeIsDown() throws Exception {
        StoreServer.Redis redis = redis();
        BackendProcess backend = backend("store", redis.configuration());
        load(backend, Pcs::number);
        redis.kill();
        firesUntil(
                "store",
                redis::restart,
                "DedupStoreDown critical",
                "InboxOverdueBurn critical",
                "InboxOverdueBurn warning");
    }

    @Test
    void storeIsSlow() throws Exception {
        StoreServer.Redis redis = redis();
        BackendProcess backend = backend("slow", redis.configuration());
        load(backend, Pcs::number);
        AtomicLong quarters = new AtomicLong();
        Repeated pauses = Repeated.everyMillis(200, () -> {
            switch ((int) (quarters.getAndIncrement() % 4)) {
                case 0 -> redis.pause();
                case 3 -> redis.resume();
                default -> {}
            }
        });
        started.push(pauses);
        firesUntil(
                "slow",
                () -> {
                    pauses.close();
                    redis.resume();
                },
                "SubmitLatencyBudgetBurn critical",
                "SubmitLatencyBudgetBurn warning");
    }

    @Test
    void storeComesBackEmptyWhileItsBackendIsDown_andAnotherAnswersOtherwise() throws Exception {
        StoreServer.Redis redis = redis();
        BackendProcess first = backend("first", redis.configuration());
        new Client(first.url()).awaitReady();
        assertThat(new Client(first.url()).submit(Pcs.number(1)).status()).isEqualTo(200);
        assertThat(first.program().terminate()).isEqualTo(143); // by then it knows of its answer
        redis.kill();
        redis.restartEmpty();
        Map<String, String> stricter = new LinkedHashMap<>(redis.configuration());
        stricter.put("BUDGET_BASE", "0.5");
        BackendProcess second = backend("second", stricter);
        new Client(second.url()).awaitReady();
        assertThat(new Client(second.url()).submit(Pcs.number(1)).status()).isEqualTo(202);
        again("first", first, redis.configuration());
        firesUntil("first", () -> {}, "LostOutcomes critical");
    }

    @Test
    void stateOfAgentsIsMovedAway() throws Exception {
        BackendProcess backend = backend("state", Map.of("STATE_PORT", "0"));
        load(backend, Pcs::number);
        Path state = directory.resolve("state/data/state");
        Path away = Files.move(state, directory.resolve("away"));
        firesUntil("state", () -> Files.move(away, state), "StateDown critical", "RecordLagging warning");
    }

    @Test
    void embeddedStoreIsDamaged() throws Exception {
        BackendProcess before = BackendProcess.start(directory, Map.of(), Program.QUICK_START);
        assertThat(new Client(before.url()).submit(Pcs.number(1)).status()).isEqualTo(200);
        assertThat(before.program().terminate()).isEqualTo(143);
        Files.writeString(directory.resolve("data/dedup/CURRENT"), "MANIFEST-none\n");
        Files.createDirectory(directory.resolve("damaged"));
        Files.move(directory.resolve("data"), directory.resolve("damaged/data"));
        backend("damaged", Map.of());
        firesUntil("damaged", () -> {}, "DedupStoreSetAside warning");
    }

    @Test
    void keysFileHasAMistake_andAKeyEnds_andOneSignsForAnotherShard() throws Exception {
        Path home = Files.createDirectory(directory.resolve("keys"));
        Path secret = Files.writeString(home.resolve("plant.secret"), SECRET);
        Files.setPosixFilePermissions(secret, PosixFilePermissions.fromString("rw-------"));
        String good = """
                {"version": 1, "keys": [{"id": "plant", "algorithm": "hmac", "secret_file": "plant.secret",
                  "shards": ["shard-1"], "state": "active"}]}
                """;
        Path keys = Files.writeString(home.resolve("keys.json"), good);
        BackendProcess backend = backend("keys-file", Map.of("KEYS_FILE", keys.toString(), "PCS_HMAC_KEY", ""));
        prometheus.awaitUp("keys-file");
        Files.writeString(keys, good.replace("active", "activ"));
        firesUntil("keys-file", () -> Files.writeString(keys, good), "KeysFileBad critical");
        Pcs foreign = Pcs.number(1).ofShard("shard-2").signedBy(SECRET);
        assertThat(new Client(backend.url()).submit(foreign).status()).isEqualTo(401);
        firesUntil("keys-file", () -> {}, "KeyMisused warning");
        Files.writeString(keys, good.replace("\"state\"", "\"valid_until\": \"" + tomorrow() + "\", \"state\""));
        firesUntil("keys-file", () -> Files.writeString(keys, good), "KeyEnding critical", "KeyEnding warning");
    }

    private static Instant tomorrow() {
        return Instant.now().plus(Duration.ofDays(1)).truncatedTo(ChronoUnit.SECONDS);
    }

    /** In this test's directory, {@code tls.crt} and {@code tls.key} of a certificate that ends tomorrow. */
    private Issued endingTomorrow() throws IOException {
        return AUTHORITY
                .issue("tls", Instant.now().minus(Duration.ofHours(1)), tomorrow(), "localhost")
                .writeTo(directory, "tls");
    }

    @Test
    void filesOfTlsHaveAMistake_andTheCertificateEndsTomorrow() throws Exception {
        endingTomorrow();
        BackendProcess backend = BackendProcess.start(
                Files.createDirectory(directory.resolve("tls")),
                Map.of(
                        "OPS_PORT", "0",
                        "TLS_CERT", directory.resolve("tls.crt").toString(),
                        "TLS_KEY", directory.resolve("tls.key").toString()),
                Program.QUICK_START);
        started.push(backend);
        prometheus.scrape("tls", backend.opsPort());
        prometheus.awaitUp("tls");
        Issued next = AUTHORITY.issue("next", "localhost");
        Files.writeString(directory.resolve("tls.crt"), next.certificatePem());
        firesUntil(
                "tls",
                () -> Files.writeString(directory.resolve("tls.key"), next.keyPem()),
                "TlsCertificateEnding critical",
                "TlsCertificateEnding warning",
                "TlsFilesBad warning");
    }

    @Test
    void backendEnds() throws Exception {
        BackendProcess backend = backend("down", Map.of());
        prometheus.awaitUp("down");
        backend.program().kill();
        firesUntil("down", () -> again("down", backend, Map.of()), "BackendDown critical");
    }

    @Test
    void agentReachesNoBackend() throws Exception {
        BackendProcess backend = BackendProcess.start(directory, Map.of(), Program.QUICK_START);
        assertThat(backend.program().terminate()).isEqualTo(143);
        AgentHome home = home("lonely");
        home.spool("one", List.of(Pcs.number(1)));
        agent("lonely", home, home.sendingTo(backend.url()));
        firesUntil(
                "lonely",
                () -> again("reached", backend, Map.of()),
                "AgentBreakerOpen warning",
                "AgentOverdueBurn critical",
                "AgentOverdueBurn warning");
    }

    @Test
    void agentGivesUp() throws Exception {
        BackendProcess backend = backend("strict", Map.of());
        AgentHome home = home("giving-up");
        agent("giving-up", home, home.sendingTo(backend.url()));
        prometheus.awaitUp("giving-up");
        home.spool("hopeless", List.of(Pcs.number(1).with("version", "\"9\"")));
        firesUntil("giving-up", () -> {}, "AgentDeadLettersGrowing warning");
    }

    @Test
    void agentsOutboxFills() throws Exception {
        BackendProcess backend = BackendProcess.start(directory, Map.of(), Program.QUICK_START);
        assertThat(backend.program().terminate()).isEqualTo(143);
        AgentHome home = home("full");
        Map<String, String> environment = home.sendingTo(backend.url());
        environment.put("OUTBOX_MAX_BYTES", "1MiB");
        home.spool("many", LongStream.range(0, 5_000).mapToObj(Pcs::number).toList());
        agent("full", home, environment);
        firesUntil("full", () -> again("emptied", backend, Map.of()), "AgentOutboxFilling warning");
    }

    @Test
    void diskOfTheOutboxFills() throws Exception {
        AgentHome home = home("small-disk");
        Path data = Files.createDirectory(home.directory().resolve("data"));
        SmallDisk disk = SmallDisk.of("1g", data);
        Map<String, String> environment = home.sendingNowhere();
        environment.put("OUTBOX_PATH", data.resolve("outbox").toString());
        environment.put("METRICS_PORT", "0");
        Program agent = Program.behind(disk.mounting(), "flk-agent", home.directory(), environment, "run");
        started.push(agent);
        prometheus.scrape("small-disk", AgentHome.metricsPort(agent));
        prometheus.awaitUp("small-disk");
        Repeated growing = growing(disk.seenFrom(agent).resolve("foreign"));
        firesUntil("small-disk", growing::close, "AgentDiskFilling warning");
    }

    @Test
    void agentsDiskLosesRecords() throws Exception {
        AgentHome home = home("losing");
        try (Program agent = home.start(home.sendingNowhere(), "run")) {
            for (long epoch = 0; epoch < 3; epoch++) {
                home.spool("number-" + epoch, List.of(Pcs.number(epoch)));
                Client.awaitUntil(home::spoolIsEmpty);
            }
            agent.kill();
        }
        new LogFiles(home.outbox(), "outbox").flip(Pcs.number(0));
        agent("losing", home, home.sendingNowhere());
        firesUntil("losing", () -> {}, "AgentOutboxLost critical");
    }

    @Test
    void clientCertificateEnds() throws Exception {
        endingTomorrow();
        AgentHome home = home("ending");
        Map<String, String> environment = home.sendingTo("https://127.0.0.1:9");
        environment.put("TLS_CERT_FILE", directory.resolve("tls.crt").toString());
        environment.put("TLS_KEY_FILE", directory.resolve("tls.key").toString());
        Program agent = agent("ending", home, environment);
        firesUntil(
                "ending",
                () -> {
                    AUTHORITY.issue("next").writeTo(directory, "tls");
                    agent.onReloadSignal();
                },
                "TlsCertificateEnding critical",
                "TlsCertificateEnding warning");
    }

    @Test
    void agentEnds() throws Exception {
        AgentHome home = home("ended");
        Program agent = agent("ended", home, home.sendingNowhere());
        prometheus.awaitUp("ended");
        agent.kill();
        firesUntil("ended", () -> agent("ended", home, home.sendingNowhere()), "AgentDown warning");
    }

    @Test
    void noAgentIsScrapedAnyMore() throws Exception {
        AgentHome home = home("forgotten");
        Program agent = agent("forgotten", home, home.sendingNowhere());
        prometheus.awaitUp("forgotten");
        agent.kill();
        firesUntil("", () -> agent("forgotten", home, home.sendingNowhere()), "AgentMetricsAbsent warning");
    }

    @Test
    @Order(Integer.MAX_VALUE)
    void eachAlertWasSeen() throws Exception {
        Set<String> all = new TreeSet<>();
        for (JsonNode group : new YAMLMapper().readTree(RULES.toFile()).path("groups")) {
            for (JsonNode rule : group.path("rules")) {
                if (rule.has("alert")) {
                    all.add(rule.path("alert").asText() + " "
                            + rule.at("/labels/severity").asText());
                }
            }
        }
        all.removeAll(NOT_TO_BE_CAUSED);
        assertThat(seen).isEqualTo(all);
    }

    /** They fire; once it is repaired, they end. */
    private static void firesUntil(String job, Step repair, String... alerts) throws Exception {
        Set<String> awaited = new LinkedHashSet<>(List.of(alerts));
        long caused = System.nanoTime();
        await(job, "fire", awaited, firing -> firing.containsAll(awaited));
        long fired = System.nanoTime();
        repair.take();
        long repaired = System.nanoTime();
        await(job, "end", awaited, firing -> firing.stream().noneMatch(awaited::contains));
        seen.addAll(awaited);
        System.out.printf(
                "AlertsInPrometheusIT: %s: fired within %.1f s, ended within %.1f s of the repair%n",
                String.join(", ", awaited), (fired - caused) / 1e9, (System.nanoTime() - repaired) / 1e9);
    }

    private static void await(String job, String what, Set<String> alerts, Predicate<Set<String>> wanted)
            throws Exception {
        try {
            Client.awaitUntil(() -> wanted.test(prometheus.firing(job)));
        } catch (ConditionTimeoutException e) {
            throw new AssertionError(alerts + " do not " + what + "; firing: " + prometheus.firing(job), e);
        }
    }

    private BackendProcess backend(String job, Map<String, String> more) throws IOException {
        Path home = Files.createDirectories(directory.resolve(job));
        BackendProcess backend = BackendProcess.start(home, more, Program.QUICK_START);
        started.push(backend);
        prometheus.scrape(job, backend.port());
        return backend;
    }

    /** Where one was before. */
    private BackendProcess again(String job, BackendProcess before, Map<String, String> more) throws IOException {
        Map<String, String> environment = new LinkedHashMap<>(more);
        environment.put("PORT", Integer.toString(before.port()));
        return backend(job, environment);
    }

    private StoreServer.Redis redis() throws IOException {
        StoreServer.Redis redis = StoreServer.Redis.start(Files.createDirectory(directory.resolve("redis")));
        started.push(redis);
        return redis;
    }

    private AgentHome home(String name) throws IOException {
        return AgentHome.in(Files.createDirectory(directory.resolve(name)));
    }

    private Program agent(String job, AgentHome home, Map<String, String> environment) throws IOException {
        environment.put("METRICS_PORT", "0");
        Program agent = home.start(environment, "run");
        started.push(agent);
        prometheus.scrape(job, AgentHome.metricsPort(agent));
        return agent;
    }

    /** Fresh certificates, fifty a second, whatever comes of them. */
    private Traffic load(BackendProcess backend, LongFunction<Pcs> certificates) {
        Traffic traffic = new Traffic(backend.url(), certificates, 0, 50);
        started.push(traffic);
        return traffic;
    }

    /** Somebody else's file, which takes ten MiB a second. */
    private Repeated growing(Path file) {
        Repeated growing = Repeated.everyMillis(
                50, () -> Files.write(file, new byte[MIB / 2], StandardOpenOption.CREATE, StandardOpenOption.APPEND));
        started.push(growing);
        return growing;
    }
}
