// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.agent.run.Agent;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.RedisServer;
import dev.flk.testkit.ServerProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of the loss of a machine with its disk: of two backends of one store, one is killed and its directory is
 * deleted. The other reports it, and the log is restored from its archive, or given up.
 */
@Tag("thorough")
final class LostLogIT {
    private static final int CERTIFICATES = 300;
    private static final long SKIPPED = 1_000_000;

    /** How long the other backend takes at most, if its clock is set ahead by the time after which a log is missing. */
    private static final Duration NOTICED = Duration.ofSeconds(150);

    @TempDir
    private Path directory;

    private Path wal(String backend) {
        return directory.resolve(backend).resolve("data/wal");
    }

    private Path archive() throws IOException {
        return Files.createDirectories(directory.resolve("the archive"));
    }

    private Map<String, String> settings(ServerProcess store, String logName) throws IOException {
        return settings(store.configuration(), logName);
    }

    private Map<String, String> settings(Map<String, String> store, String logName) throws IOException {
        Map<String, String> settings = new HashMap<>(store);
        settings.put("LOG_NAME", logName);
        settings.put("WAL_SEGMENT_AGE", "1s");
        settings.put("WAL_MIN_FREE_BYTES", "1MiB");
        settings.put("WAL_ARCHIVE_COMMAND", "cp %p '" + archive() + "/%f'");
        return settings;
    }

    private BackendProcess start(String name, Map<String, String> settings) throws IOException {
        BackendProcess backend = BackendProcess.start(Files.createDirectories(directory.resolve(name)), settings);
        new Client(backend.url()).awaitReady();
        return backend;
    }

    /** Starts a backend that has an archive and no log yet. */
    private BackendProcess startNew(String name, Map<String, String> settings) throws IOException {
        Command.ofBackend(settings, "wal", "init", "--new", "--dir", wal(name).toString())
                .exits(0);
        return start(name, settings);
    }

    private void loseTheMachine(BackendProcess backend, String name) throws IOException {
        backend.program().kill();
        try (Stream<Path> files = Files.walk(directory.resolve(name))) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    private static void awaitMissing(Client client, int logs) {
        await().atMost(NOTICED).until(() -> client.metric("flk_logs_missing") == logs);
    }

    private Map<Long, String> bodies(Path wal) throws IOException {
        return LogFiles.inbox(wal).entries().stream()
                .filter(entry -> entry.kind() == 's')
                .collect(Collectors.toMap(LogFiles.Entry::sequence, LogFiles.Entry::body));
    }

    @Test
    void restoredFromItsArchive_hasTheBodiesAndNewSequences() throws Exception {
        List<Pcs> certificates = numbered(1, CERTIFICATES);
        try (ServerProcess store = PostgresServer.startWithScram()) {
            FakeClock clock = FakeClock.in(directory);
            Map<String, String> watching = settings(store, "b");
            watching.remove("WAL_ARCHIVE_COMMAND");
            watching.putAll(clock.environment());
            BackendProcess lost = startNew("a", settings(store, "a"));
            try (BackendProcess other = start("b", watching)) {
                Client client = new Client(other.url());
                AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
                Map<Long, String> logged;
                Map<Pcs, String> answers = new HashMap<>();
                try (Agent agent = AgentHome.open(home.sendingTo(lost.url() + "," + other.url()))) {
                    home.spool("first", certificates);
                    await().atMost(Client.PATIENCE)
                            .until(() -> new Client(lost.url()).metric("flk_accepted") >= CERTIFICATES);
                    for (Pcs pcs : certificates) {
                        answers.put(pcs, client.get("/v1/pcs/" + pcs.id()).body());
                    }
                    logged = bodies(wal("a"));
                    await().atMost(Client.PATIENCE).until(() -> archived().size() >= 2);
                    loseTheMachine(lost, "a");
                    home.spool("second", numbered(CERTIFICATES + 1, 2 * CERTIFICATES));
                    clock.set(Duration.ofMinutes(11));
                    awaitMissing(client, 1);
                    assertThat(other.allLines()).contains("ERROR logs - the log a (");
                    assertThat(logs(other).exits(1).out()).contains("missing");
                    await().atMost(Client.PATIENCE).until(home::spoolIsEmpty);
                    await().atMost(Client.PATIENCE).until(() -> client.metric("flk_accepted") >= CERTIFICATES);
                    assertThat(agent).isNotNull();
                }
                assertThat(home.deadLetters()).isEmpty();
                refusesToStartEmpty(store);
                Map<String, String> elsewhere = settings(store, "a");
                elsewhere.put("WAL_DIR", wal("c").toString());
                Command.ofBackend(
                                elsewhere, "wal", "restore", "--from", archive().toString())
                        .exits(0);
                elsewhere.remove("WAL_DIR");
                Map<Long, String> restored = bodies(wal("c"));
                assertThat(restored).isNotEmpty();
                assertThat(logged).containsAllEntriesOf(restored);
                try (BackendProcess again = start("c", elsewhere)) {
                    awaitMissing(client, 0);
                    assertThat(new Client(again.url()).submit(Pcs.number(5_000)).status())
                            .isEqualTo(200);
                    for (Map.Entry<Pcs, String> answer : answers.entrySet()) {
                        assertThat(new Client(again.url())
                                        .get("/v1/pcs/" + answer.getKey().id())
                                        .body())
                                .isEqualTo(answer.getValue());
                    }
                }
                Set<Long> sequences = new HashSet<>(bodies(wal("c")).keySet());
                sequences.removeAll(restored.keySet());
                long last = restored.keySet().stream()
                        .mapToLong(Long::longValue)
                        .max()
                        .orElseThrow();
                assertThat(sequences)
                        .hasSize(1)
                        .allSatisfy(sequence -> assertThat(sequence).isGreaterThan(last + SKIPPED - 1_000));
            }
        }
    }

    private Set<Path> archived() throws IOException {
        try (Stream<Path> files = Files.list(archive())) {
            return files.filter(file -> file.toString().endsWith(".wal")).collect(Collectors.toSet());
        }
    }

    private Command logs(ServedBackend backend) {
        return Command.ofBackend(Map.of(), "logs", "--url", backend.url());
    }

    private void refusesToStartEmpty(ServerProcess store) throws IOException, InterruptedException {
        Map<String, String> environment = ServedBackend.environment();
        environment.putAll(settings(store, "a"));
        try (Program empty = Program.java(
                "flk-backend", Files.createDirectories(directory.resolve("empty")), environment, List.of())) {
            empty.awaitLine(line -> line.contains("has no log, but the store knows the log"));
            assertThat(empty.awaitExit()).isEqualTo(1);
        }
        assertThat(Files.exists(wal("empty").resolve("inbox.mark"))).isFalse();
    }

    @Test
    void givenUp_bodiesAreLoggedAgainWhenTheyAreSentAgain() throws Exception {
        List<Pcs> certificates = numbered(1, CERTIFICATES);
        try (ServerProcess store = RedisServer.start(directory.resolve("server"))) {
            FakeClock clock = FakeClock.in(directory);
            Map<String, String> watching = settings(store, "b");
            watching.putAll(clock.environment());
            BackendProcess lost = startNew("a", settings(store, "a"));
            try (BackendProcess other = startNew("b", watching)) {
                Client client = new Client(other.url());
                Map<Pcs, String> answers = new HashMap<>();
                AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
                try (Agent agent = AgentHome.open(home.sendingTo(lost.url()))) {
                    home.spool("first", certificates);
                    awaitSettled(home, CERTIFICATES);
                    assertThat(agent).isNotNull();
                }
                for (Pcs pcs : certificates) {
                    answers.put(
                            pcs,
                            new Client(lost.url()).get("/v1/pcs/" + pcs.id()).body());
                }
                loseTheMachine(lost, "a");
                assertThat(forget(other).exits(1).all()).contains("in use");
                clock.set(Duration.ofMinutes(11));
                awaitMissing(client, 1);
                assertAnsweredAs(answers, client);
                assertThat(bodies(wal("b"))).isEmpty();
                forget(other).exits(0);
                awaitMissing(client, 0);
                sendAgain(home, other.url());
                await().atMost(Client.PATIENCE).until(() -> client.metric("flk_healed_total") == CERTIFICATES);
                sendAgain(home, other.url());
                assertAnsweredAs(answers, client);
                assertThat(ids(wal("b")))
                        .containsExactlyInAnyOrderElementsOf(certificates.stream()
                                .map(pcs -> pcs.id().toString())
                                .toList());
                assertThat(client.metric("flk_lost_outcomes_total")).isZero();
                await().atMost(Client.PATIENCE)
                        .until(() -> client.get("/v1/outcomes?limit=1000")
                                        .body()
                                        .lines()
                                        .count()
                                == CERTIFICATES);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void restoredWithoutItsNewest_agentSendsThemAgain(boolean isShared) throws Exception {
        try (ServerProcess store = isShared ? RedisServer.start(directory.resolve("server")) : null) {
            Map<String, String> settings = settings(store == null ? Map.of() : store.configuration(), "a");
            Path stopped = archive().resolve("stopped");
            settings.put(
                    "WAL_ARCHIVE_COMMAND",
                    "sh -c 'test ! -e \"$1\" && cp \"$2\" \"$3\"' sh '" + stopped + "' %p '" + archive() + "/%f'");
            BackendProcess lost = startNew("a", settings);
            AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
            Client client = new Client(lost.url());
            Map<Pcs, String> answers = new HashMap<>();
            try (Agent agent = AgentHome.open(home.sendingTo(lost.url()))) {
                home.spool("archived", numbered(1, CERTIFICATES - 100));
                await().atMost(Client.PATIENCE).until(() -> client.metric("flk_accepted") == CERTIFICATES - 100);
                await().atMost(Client.PATIENCE).until(() -> archived().size() >= 2);
                Files.createFile(stopped);
                home.spool("lost", numbered(CERTIFICATES - 99, CERTIFICATES));
                awaitSettled(home, CERTIFICATES);
                for (Pcs pcs : numbered(1, CERTIFICATES)) {
                    answers.put(pcs, client.get("/v1/pcs/" + pcs.id()).body());
                }
                assertThat(agent).isNotNull();
            }
            loseTheMachine(lost, "a");
            settings.put("WAL_DIR", wal("c").toString());
            Command.ofBackend(settings, "wal", "restore", "--from", archive().toString())
                    .exits(0);
            settings.remove("WAL_DIR");
            int missing = CERTIFICATES - ids(wal("c")).size();
            assertThat(missing).isGreaterThanOrEqualTo(100);
            for (int run = 0; run < 2; run++) { // the second one after a kill
                try (BackendProcess restored = start("c", settings)) {
                    assertThat(restored.allLines())
                            .contains("the log was restored up to record ", "'flk-agent outbox requeue --since ");
                    sendAgain(home, restored.url());
                    for (Map.Entry<Pcs, String> answer : answers.entrySet()) {
                        assertThat(new Client(restored.url())
                                        .get("/v1/pcs/" + answer.getKey().id())
                                        .body())
                                .isEqualTo(answer.getValue());
                    }
                    restored.program().kill();
                }
                assertThat(ids(wal("c")))
                        .hasSize(isShared ? CERTIFICATES - missing : CERTIFICATES)
                        .doesNotHaveDuplicates();
            }
            assertThat(home.deadLetters()).isEmpty();
        }
    }

    private static void sendAgain(AgentHome home, String url) throws Exception {
        assertThat(Command.ofAgent(home.sendingTo(url), "outbox", "requeue", "--since", "1d")
                        .exits(0)
                        .out())
                .isEqualTo("300 certificates wait again\n");
        try (Agent agent = AgentHome.open(home.sendingTo(url))) {
            awaitSettled(home, CERTIFICATES);
            assertThat(agent).isNotNull();
        }
    }

    private static void awaitSettled(AgentHome home, int certificates) {
        await().atMost(Client.PATIENCE)
                .until(() -> Command.ofAgent(home.sendingNowhere(), "outbox", "cat")
                                .out()
                                .lines()
                                .filter(line -> line.contains("answered 20"))
                                .count()
                        == certificates);
    }

    private List<String> ids(Path wal) throws IOException {
        return bodies(wal).values().stream()
                .map(body -> StrictJson.read(body).path("pcs_id").asText())
                .toList();
    }

    private Command forget(ServedBackend backend) {
        return Command.ofBackend(Map.of(), "logs", "forget", "a", "--yes", "--url", backend.url());
    }

    private static void assertAnsweredAs(Map<Pcs, String> answers, Client client) throws Exception {
        for (Map.Entry<Pcs, String> before : answers.entrySet()) {
            Answer again = client.submit(before.getKey());
            assertThat(again.body()).isEqualTo(before.getValue());
            assertThat(again.has("X-Flk-Duplicate")).isTrue();
        }
    }

    private static List<Pcs> numbered(long first, long last) {
        return LongStream.rangeClosed(first, last)
                .mapToObj(Pcs::number)
                .collect(Collectors.toCollection(ArrayList::new));
    }
}
