// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.agent.run.Agent;
import dev.flk.agent.send.Settlement;
import dev.flk.e2e.Client.Answer;
import dev.flk.e2e.Traffic.Sent;
import dev.flk.sample.Pcs;
import dev.flk.testkit.DirectoryTree;
import dev.flk.testkit.FreePort;
import dev.flk.testkit.KafkaBrokers;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.ServerProcess;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Tests of logs that are copied to three brokers of Kafka, which are processes, while brokers and machines are lost
 * under traffic. {@code -Dflk.copySeconds=120} sets how long agents send at least.
 */
@Alone
@Tag("thorough")
final class CopyBrokersIT {
    private static final Duration SENDING = Duration.ofSeconds(Long.getLong("flk.copySeconds", 120));
    private static final int AGENTS = 2;
    private static final int EACH_PER_SECOND = 240;
    private static final int DIRECT_PER_SECOND = 10;
    private static final int LOOKED_UP = 300;

    /** An owner counts as alive for 30 seconds after its last sign; then the log is restored. */
    private static final Duration CLAIMED = Duration.ofSeconds(150);

    /** The duration of requests that outlive a pause of their backend. */
    private static final Duration PAUSED = Duration.ofMinutes(3);

    private static final String MOVED = "moved";

    @TempDir
    private static Path brokersDirectory;

    private static KafkaBrokers brokers;

    @TempDir
    private Path directory;

    private final List<BackendProcess> started = new ArrayList<>();

    @BeforeAll
    static void startBrokers() {
        brokers = KafkaBrokers.start(brokersDirectory, 3);
    }

    @AfterAll
    static void endBrokers() {
        brokers.close();
    }

    @AfterEach
    void endBackends() {
        started.forEach(BackendProcess::close);
    }

    /** How a backend is lost. */
    private enum Loss {
        /** The machine burns down; its disk turns up elsewhere, as it was. */
        KILLED,
        /** The process is paused until another one owns the log. */
        PAUSED
    }

    private static Map<String, String> settings(ServerProcess store, String logName) {
        Map<String, String> settings = new HashMap<>(store.configuration());
        settings.putAll(brokers.configuration());
        settings.putAll(Map.of(
                "LOG_COPY", "kafka",
                "LOG_NAME", logName,
                "WAL_SEGMENT_AGE", "10s",
                "WAL_MIN_FREE_BYTES", "1MiB"));
        return settings;
    }

    private BackendProcess start(String name, Map<String, String> settings) throws IOException {
        BackendProcess backend = BackendProcess.start(Files.createDirectories(directory.resolve(name)), settings);
        started.add(backend);
        new Client(backend.url()).awaitReady();
        return backend;
    }

    private Program program(String name, Map<String, String> settings) throws IOException {
        Path home = Files.createDirectories(directory.resolve(name));
        return Program.java("flk-backend", home, ServedBackend.environment(home, settings), List.of());
    }

    /** Starts a backend that waits until the owner of its log no longer counts as alive. */
    private BackendProcess takeOver(String name, Map<String, String> settings) throws IOException {
        Program program = program(name, settings);
        try {
            await().atMost(CLAIMED).until(() -> {
                assertThat(program.isAlive()).as(program::allLines).isTrue();
                return program.allLines().contains("ready: submissions are accepted");
            });
        } catch (RuntimeException | AssertionError e) {
            program.close();
            throw new AssertionError(program.allLines(), e);
        }
        BackendProcess backend = BackendProcess.of(program);
        started.add(backend);
        return backend;
    }

    private LogFiles log(String name) {
        return LogFiles.inbox(directory.resolve(name).resolve("data/wal"));
    }

    /** Agents in this JVM that send at a constant rate, and everything that they were given. */
    private final class Senders implements AutoCloseable {
        private static final int TICKS = 10;

        private final List<AgentHome> homes = new ArrayList<>();
        private final List<Agent> agents = new ArrayList<>();
        private final ScheduledExecutorService timer = Executors.newScheduledThreadPool(AGENTS);
        private final Map<Pcs, Settlement> settled = new ConcurrentHashMap<>();
        private final AtomicInteger submitted = new AtomicInteger();
        private final ConcurrentLinkedQueue<Throwable> failures = new ConcurrentLinkedQueue<>();
        private final long startedNanos = System.nanoTime();

        /** @param urls the backends, of which each agent prefers another one */
        Senders(List<String> urls) throws IOException {
            for (int i = 0; i < AGENTS; i++) {
                List<String> order = new ArrayList<>(urls);
                order.add(0, order.remove(i % order.size()));
                AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent-" + i)));
                Map<String, String> environment = home.sendingTo(String.join(",", order));
                environment.put("BATCH_SIZE", "50");
                homes.add(home);
                agents.add(AgentHome.open(environment));
            }
            for (int i = 0; i < AGENTS; i++) {
                Agent agent = agents.get(i);
                String shard = "plant-" + i;
                AtomicInteger next = new AtomicInteger();
                Future<?> unused = timer.scheduleAtFixedRate(
                        () -> submit(agent, shard, next), 0, 1_000 / TICKS, TimeUnit.MILLISECONDS);
            }
        }

        private void submit(Agent agent, String shard, AtomicInteger next) {
            try {
                for (int i = 0; i < EACH_PER_SECOND / TICKS; i++) {
                    int number = next.incrementAndGet();
                    Pcs pcs = Pcs.number(number).ofShard(shard).with("D_hat", number % 10 == 0 ? "1.9" : "1.0");
                    submitted.incrementAndGet();
                    var unused = agent.submit(AgentHome.unsigned(pcs).getBytes(StandardCharsets.UTF_8))
                            .whenComplete((settlement, failure) -> {
                                if (failure == null) {
                                    settled.put(pcs, settlement);
                                } else {
                                    failures.add(failure);
                                }
                            });
                }
            } catch (IOException | RuntimeException e) {
                failures.add(e);
            }
        }

        /** Blocks until {@code more} additional certificates are settled. */
        void awaitSettled(int more) {
            int before = settled.size();
            await().atMost(Client.PATIENCE).until(() -> settled.size() >= before + more);
        }

        /** Sends until the time is over, and blocks until everything is settled. */
        void end() throws InterruptedException {
            long left = SENDING.toNanos() - (System.nanoTime() - startedNanos);
            assertThat(timer.awaitTermination(Math.max(0, left), TimeUnit.NANOSECONDS))
                    .isFalse();
            timer.shutdown();
            assertThat(timer.awaitTermination(10, TimeUnit.SECONDS)).isTrue();
            assertThat(failures).isEmpty();
            await().atMost(Client.PATIENCE.multipliedBy(2)).until(() -> settled.size() == submitted.get());
        }

        void assertNoDeadLetters() throws IOException {
            for (AgentHome home : homes) {
                assertThat(home.deadLetters()).isEmpty();
            }
            settled.forEach((pcs, settlement) -> assertThat(settlement.kind())
                    .isEqualTo(isRejected(pcs) ? Settlement.Kind.REJECTED : Settlement.Kind.ACCEPTED));
        }

        @Override
        public void close() throws IOException {
            timer.shutdownNow();
            for (Agent agent : agents) {
                agent.close();
            }
        }
    }

    private static boolean isRejected(Pcs pcs) {
        return pcs.json().contains("\"D_hat\":1.9");
    }

    @ParameterizedTest
    @EnumSource
    void brokerAndBackendAreLost_underAgents_nothingAnsweredIsMissing(Loss loss) throws Exception {
        String moved = MOVED + "-" + loss;
        try (PostgresServer store = PostgresServer.startWithScram()) {
            BackendProcess lost = start("a", settings(store, moved));
            BackendProcess other = start("b", settings(store, "other-" + loss));
            Map<String, String> elsewhere = settings(store, moved);
            elsewhere.put("PORT", Integer.toString(FreePort.choose()));
            List<Sent> answered = new ArrayList<>();
            try (Senders senders =
                            new Senders(List.of(lost.url(), other.url(), "http://127.0.0.1:" + elsewhere.get("PORT")));
                    Traffic toOther = new Traffic(other.url(), 1_000_000, DIRECT_PER_SECOND);
                    Traffic toLost = new Traffic(lost.url(), 2_000_000, DIRECT_PER_SECOND / 2, PAUSED)) {
                senders.awaitSettled(1_000);
                ServerProcess leader = brokers.broker(brokers.leader("flk.inbox." + moved));
                leader.kill();
                senders.awaitSettled(5 * AGENTS * EACH_PER_SECOND);
                leader.restart();
                brokers.awaitJoined();
                senders.awaitSettled(1_000);

                BackendProcess successor =
                        loss == Loss.KILLED ? burn(lost, toLost, elsewhere) : pause(lost, toLost, elsewhere);
                senders.awaitSettled(1_000);
                senders.end();
                toOther.end();
                toLost.end();
                senders.assertNoDeadLetters();
                answered.addAll(toOther.answered());
                answered.addAll(toLost.answered());
                answered.removeIf(each -> each.status() != 200);
                assertThat(answered).isNotEmpty();

                Map<String, Pcs> all = new HashMap<>();
                senders.settled.keySet().forEach(pcs -> all.put(pcs.id().toString(), pcs));
                answered.forEach(each -> all.put(each.pcs().id().toString(), each.pcs()));
                for (BackendProcess each : List.of(other, successor)) {
                    new Client(each.url()).awaitReady();
                    new Client(each.url()).awaitNothingPending();
                }
                assertSameBytes(other, successor, all, answered);
                Set<String> withoutBody = new HashSet<>(all.keySet());
                withoutBody.removeAll(bodies("b"));
                withoutBody.removeAll(bodies("c"));
                assertThat(withoutBody).isEmpty();
                assertRecorded(new Client(successor.url()), all);
                System.out.printf(
                        "CopyBrokersIT, %s: %d certificates of agents, %d answered directly%n",
                        loss, senders.settled.size(), answered.size());
            }
        }
    }

    /** The machine burns down, its log goes on elsewhere, and then somebody starts the old disk. */
    private BackendProcess burn(BackendProcess lost, Traffic toLost, Map<String, String> elsewhere) throws Exception {
        lost.program().kill();
        toLost.end();
        DirectoryTree.copy(directory.resolve("a"), directory.resolve("old"));
        DirectoryTree.remove(directory.resolve("a"));
        BackendProcess successor = takeOver("c", elsewhere);
        assertThat(successor.allLines()).contains("it is restored from the copy");
        Map<String, String> settings = new HashMap<>(elsewhere);
        settings.put("PORT", "0");
        try (Program old = program("old", settings)) {
            old.awaitLine(line -> line.contains("the log belongs to another backend"));
            assertThat(old.allLines()).doesNotContain("ready: submissions are accepted");
        }
        return successor;
    }

    /** The process is paused until its log goes on elsewhere, and then resumed. */
    private BackendProcess pause(BackendProcess lost, Traffic toLost, Map<String, String> elsewhere) throws Exception {
        lost.program().signal("STOP");
        long pausedNanos = System.nanoTime();
        BackendProcess successor = takeOver("c", elsewhere);
        lost.program().signal("CONT");
        assertThat(lost.program().awaitExit(Client.PATIENCE)).as(lost::allLines).isNotZero();
        assertThat(lost.allLines()).contains("another backend owns the log");
        toLost.end();
        assertThat(toLost.sent())
                .filteredOn(each -> each.sentNanos() - pausedNanos > 0)
                .isNotEmpty()
                .allSatisfy(each -> assertThat(each.status()).isIn(-1, 500, 503));
        return successor;
    }

    /** Checks that both backends answer each certificate with the same bytes, and with those that were answered. */
    private static void assertSameBytes(
            BackendProcess one, BackendProcess other, Map<String, Pcs> all, List<Sent> answered) throws Exception {
        Map<String, String> bytes = lookUp(one, all.keySet());
        assertThat(lookUp(other, all.keySet()).equals(bytes)).isTrue(); // too many to be compared by AssertJ
        for (Sent each : answered) {
            assertThat(bytes.get(each.pcs().id().toString())).isEqualTo(each.body());
        }
        all.forEach((id, pcs) ->
                assertThat(bytes.get(id)).contains(isRejected(pcs) ? "\"accepted\":false" : "\"accepted\":true"));
    }

    private static Map<String, String> lookUp(BackendProcess backend, Set<String> ids) {
        Client client = new Client(backend.url());
        Map<String, String> bytes = new ConcurrentHashMap<>();
        ids.parallelStream().forEach(id -> {
            try {
                Answer answer = client.get("/v1/pcs/" + id);
                assertThat(answer.status()).as(id).isEqualTo(200);
                bytes.put(id, answer.body());
            } catch (IOException | InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        return bytes;
    }

    /** Returns the ids of all submissions in a log. */
    private Set<String> bodies(String name) throws IOException {
        return log(name).entries().stream()
                .filter(entry -> entry.kind() == 's')
                .map(entry -> StrictJson.read(entry.body()).path("pcs_id").textValue())
                .collect(Collectors.toCollection(HashSet::new));
    }

    /** Checks that the record has exactly these outcomes, and that it finds some of them by their ids. */
    private static void assertRecorded(Client client, Map<String, Pcs> all) throws Exception {
        Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
        Map<String, String> recorded = new HashMap<>();
        String cursor = "";
        for (boolean hasMore = true; hasMore; ) {
            Answer part = client.get("/v1/outcomes/changes?limit=1000" + cursor);
            part.body()
                    .lines()
                    .map(StrictJson::read)
                    .forEach(outcome -> recorded.put(
                            outcome.path("pcs_id").textValue(),
                            outcome.path("verdict").textValue()));
            cursor = "&cursor=" + part.header("X-Flk-Cursor");
            hasMore = part.has("X-Flk-More");
        }
        Map<String, String> expected =
                all.entrySet().stream().collect(Collectors.toMap(Map.Entry::getKey, each -> verdict(each.getValue())));
        Map<String, String> missing = new HashMap<>(expected);
        missing.entrySet().removeAll(recorded.entrySet());
        assertThat(missing).isEmpty();
        recorded.keySet().removeAll(expected.keySet());
        assertThat(recorded)
                .as("decided, but answered with an error and not sent again")
                .hasSizeLessThan(500);

        Random random = new Random(74);
        List<String> ids = List.copyOf(all.keySet());
        for (String id : IntStream.range(0, LOOKED_UP)
                .mapToObj(i -> ids.get(random.nextInt(ids.size())))
                .toList()) {
            List<String> found =
                    client.get("/v1/outcomes?id=" + id).body().lines().toList();
            assertThat(found)
                    .singleElement()
                    .satisfies(line -> assertThat(
                                    StrictJson.read(line).path("verdict").textValue())
                            .isEqualTo(expected.get(id)));
        }
    }

    private static String verdict(Pcs pcs) {
        return isRejected(pcs) ? "rejected" : "accepted";
    }
}
