// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongPredicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Everything at once: certificates arrive by all doors, agent and backend are killed, the key changes, and a proxy between them
 * misbehaves. {@code -Dflk.ordeal=full} runs the long form. The seed determines what the proxy does and in which order things happen;
 * {@code -Dflk.seed=N} repeats it. The machine decides what exactly a kill interrupts.
 */
@Tag("thorough")
final class AgentOrdealIT {
    private static final boolean FULL = System.getProperty("flk.ordeal", "").equals("full");
    private static final int CERTIFICATES = FULL ? 20_000 : 1_500;
    private static final int AGENT_KILLS = FULL ? 50 : 5;
    private static final int BACKEND_KILLS = FULL ? 10 : 2;
    private static final int KEY_CHANGES = FULL ? 6 : 2;
    private static final int MAX_REQUESTS_BETWEEN_BLOWS = 80;
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final Duration LAST_CERTIFICATE_WITHIN = Duration.ofMinutes(15);
    private static final String INTAKE_PORT = "certificates are taken on loopback port ";
    private static final String OUTBOX_IN_USE = "is in use by";

    private final long seed = Long.getLong("flk.seed", System.nanoTime());
    private final Random random = new Random(seed);

    @TempDir
    private Path directory;

    private BackendProcess backend;
    private MisbehavingProxy proxy;
    private AgentHome home;
    private Map<String, String> environment;
    private Program agent;
    private volatile int intakePort;

    private enum Blow {
        AGENT_KILLED,
        BACKEND_KILLED,
        KEY_CHANGED_IN_BACKEND_FIRST,
        KEY_CHANGED_IN_AGENT_FIRST
    }

    @BeforeEach
    void start() throws Exception {
        System.out.println("the seed is " + seed + "; -Dflk.seed=" + seed + " repeats the plan");
        home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        writeKey(Pcs.KEY);
        startBackend();
        proxy = new MisbehavingProxy(backend.url(), seed);
        environment = home.sendingTo(proxy.url());
        environment.remove("PCS_HMAC_KEY");
        environment.putAll(Map.of(
                "PCS_HMAC_KEY_FILE", "key",
                "BATCH_SIZE", "8",
                "MAX_IN_FLIGHT", "64",
                "MAX_DELAY", "500ms",
                "REQUEST_TIMEOUT", "6s",
                "INTAKE_PORT", "0"));
        startAgent();
    }

    @AfterEach
    void stop() throws Exception {
        if (agent != null) {
            agent.close();
        }
        if (proxy != null) {
            proxy.close();
        }
        backend.close();
    }

    @Test
    void everythingFails_everyGoodCertificateIsRecordedOnce_onlyHopelessOnesAreGivenUp() throws Exception {
        Client before = new Client(backend.url());
        for (long number = 0; number < CERTIFICATES; number++) {
            if (Kind.of(number) == Kind.CONFLICT) {
                assertThat(before.submit(plain(number)).status()).isEqualTo(200);
            }
        }
        List<Blow> blows = new ArrayList<>();
        blows.addAll(Collections.nCopies(AGENT_KILLS, Blow.AGENT_KILLED));
        blows.addAll(Collections.nCopies(BACKEND_KILLS, Blow.BACKEND_KILLED));
        blows.addAll(Collections.nCopies(KEY_CHANGES / 2, Blow.KEY_CHANGED_IN_BACKEND_FIRST));
        blows.addAll(Collections.nCopies(KEY_CHANGES / 2, Blow.KEY_CHANGED_IN_AGENT_FIRST));
        Collections.shuffle(blows, random);

        Set<Long> acknowledged;
        try (Producers producers = new Producers()) {
            for (Blow blow : blows) {
                producers.released.release(CERTIFICATES / blows.size());
                awaitRequests(random.nextInt(MAX_REQUESTS_BETWEEN_BLOWS));
                strike(blow);
            }
            acknowledged = producers.finish();
        }
        await().atMost(LAST_CERTIFICATE_WITHIN)
                .pollInterval(Duration.ofMillis(50))
                .until(() -> home.status().path("pending").asLong() == 0);
        assertThat(agent.terminate()).isEqualTo(143);
        System.out.println(acknowledged.size() + " certificates were acknowledged; " + proxy.tally());

        // The outbox's own log has every entry; a producer that got no answer may have added a certificate twice or not
        // at all.
        Map<Long, Long> added = added();
        assertThat(new HashSet<>(added.values()))
                .as("acknowledged certificates are in the outbox")
                .containsAll(acknowledged);
        assertDeadLettersAreTheHopeless(added);
        assertLogHasEachOnce(new HashSet<>(added.values()));
        assertGoodOnesHaveTheirOutcomes(new HashSet<>(added.values()));
    }

    private void strike(Blow blow) throws Exception {
        switch (blow) {
            case AGENT_KILLED -> {
                assertThat(agent.isAlive()).as(agent.allLines()).isTrue();
                agent.kill();
                startAgent();
            }
            case BACKEND_KILLED -> restartBackend();
            case KEY_CHANGED_IN_BACKEND_FIRST -> {
                writeKey("ordeal-key-" + random.nextInt());
                restartBackend();
                awaitRequests(random.nextInt(20));
                agent.onReloadSignal();
            }
            case KEY_CHANGED_IN_AGENT_FIRST -> {
                writeKey("ordeal-key-" + random.nextInt());
                agent.onReloadSignal();
                awaitRequests(random.nextInt(20));
                restartBackend();
            }
        }
    }

    private void writeKey(String key) throws IOException {
        Path written = Files.writeString(home.directory().resolve("key.next"), key);
        Files.move(written, home.directory().resolve("key"), StandardCopyOption.ATOMIC_MOVE);
    }

    private void startBackend() throws IOException {
        String key = Files.readString(home.directory().resolve("key"));
        backend = BackendProcess.start(directory, Map.of("PCS_HMAC_KEY", key));
    }

    private void restartBackend() throws IOException {
        backend.program().kill();
        startBackend();
        proxy.passOnTo(backend.url());
    }

    /** Returns when the agent accepts certificates; waits while a {@code submit} command uses the outbox. */
    private void startAgent() throws IOException {
        String line = OUTBOX_IN_USE;
        while (line.contains(OUTBOX_IN_USE)) {
            agent = home.start(environment, "run");
            line = agent.awaitLine(text -> text.contains(INTAKE_PORT) || text.contains(OUTBOX_IN_USE));
        }
        intakePort = Integer.parseInt(line.substring(line.indexOf(INTAKE_PORT) + INTAKE_PORT.length()));
    }

    /** Returns when the proxy has seen so many more requests, or nothing that could be sent waits. */
    private void awaitRequests(int more) {
        int wanted = proxy.requests() + more;
        Client.awaitUntil(() ->
                proxy.requests() >= wanted || home.status().path("pending").asLong() == 0);
    }

    /** The numbers of the certificates in the outbox by the sequences of their entries. */
    private Map<Long, Long> added() throws IOException {
        Map<Long, Long> added = new TreeMap<>();
        for (LogFiles.Entry entry : new LogFiles(home.outbox(), "outbox").entries()) {
            if (entry.kind() == 'c') {
                assertThat(added.put(entry.sequence(), number(entry.body())))
                        .as("another entry with sequence %s", entry.sequence())
                        .isNull();
            }
        }
        return added;
    }

    private static long number(String certificate) {
        return StrictJson.read(certificate).path("epoch").asLong();
    }

    private void assertDeadLettersAreTheHopeless(Map<Long, Long> added) throws IOException {
        List<Long> dead = new ArrayList<>();
        for (String line : home.deadLetters()) {
            JsonNode letter = StrictJson.read(line);
            dead.add(letter.path("outbox_seq").asLong());
            boolean isConflict = Kind.of(letter.at("/certificate/epoch").asLong()) == Kind.CONFLICT;
            assertThat(letter.path("reason").asText()).as(line).startsWith(isConflict ? "conflict: " : "schema ");
        }
        assertEachOnce(
                "dead letters",
                dead,
                keep(added.keySet(), sequence -> Kind.of(added.get(sequence)).isHopeless()));
    }

    /** Every good certificate is in the backend's log once, each conflict once as evidence, and nothing else. */
    private void assertLogHasEachOnce(Set<Long> added) throws IOException {
        Map<Character, List<Long>> found = new HashMap<>();
        for (LogFiles.Entry entry :
                LogFiles.inbox(directory.resolve("data/wal")).entries()) {
            found.computeIfAbsent(entry.kind(), any -> new ArrayList<>()).add(number(entry.body()));
        }
        Set<Long> submitted = keep(added, number -> !Kind.of(number).isHopeless());
        LongStream.range(0, CERTIFICATES)
                .filter(number -> Kind.of(number) == Kind.CONFLICT)
                .forEach(submitted::add);
        assertEachOnce("submissions", found.remove('s'), submitted);
        assertEachOnce("evidence", found.remove('e'), keep(added, number -> Kind.of(number) == Kind.CONFLICT));
        assertThat(found).as("records of other kinds").isEmpty();
    }

    private void assertGoodOnesHaveTheirOutcomes(Set<Long> added) throws Exception {
        Client client = new Client(backend.url());
        for (long number : keep(added, one -> !Kind.of(one).isHopeless())) {
            assertThat(client.get("/v1/pcs/" + certificate(number).id()).body())
                    .contains("\"accepted\":true,\"escalated\":" + (Kind.of(number) == Kind.ESCALATED));
        }
    }

    private static Set<Long> keep(Set<Long> all, LongPredicate wanted) {
        return all.stream().filter(wanted::test).collect(Collectors.toCollection(HashSet::new));
    }

    /** Names the differences; a comparison of twenty thousand numbers would be unreadable. */
    private static void assertEachOnce(String what, List<Long> found, Set<Long> expected) {
        Set<Long> seen = new HashSet<>();
        assertThat(found.stream().filter(one -> !seen.add(one)))
                .as("%s: more than once", what)
                .isEmpty();
        assertThat(keep(expected, one -> !seen.contains(one)))
                .as("%s: missing", what)
                .isEmpty();
        assertThat(keep(seen, one -> !expected.contains(one)))
                .as("%s: not expected", what)
                .isEmpty();
    }

    /** What must become of a certificate; its number determines it. */
    private enum Kind {
        ACCEPTED,
        ESCALATED,
        /** Rejected by the backend each time. */
        WRONG_SCHEMA,
        /** Other content was recorded under the same id before. */
        CONFLICT;

        static Kind of(long number) {
            return switch ((int) (number % 50)) {
                case 17 -> WRONG_SCHEMA;
                case 33 -> CONFLICT;
                case 4, 21, 40 -> ESCALATED;
                default -> ACCEPTED;
            };
        }

        boolean isHopeless() {
            return this == WRONG_SCHEMA || this == CONFLICT;
        }
    }

    private static Pcs plain(long number) {
        return Pcs.number(number).ofShard("shard-" + number % 3);
    }

    private static Pcs certificate(long number) {
        return switch (Kind.of(number)) {
            case ACCEPTED -> plain(number);
            case ESCALATED -> plain(number).with("regime", "\"sticky\"");
            case WRONG_SCHEMA -> plain(number).with("schema", "\"another\"");
            case CONFLICT -> plain(number).with("seed", "8");
        };
    }

    /**
     * The programs that leave certificates with the agent, each through a door of its own. They mostly try again with certificates that
     * were not acknowledged, and sometimes give up; such a certificate may be in the outbox once, several times or not at all.
     */
    private final class Producers implements AutoCloseable {
        private final Semaphore released = new Semaphore(0);
        private final Random chances = new Random(random.nextLong());
        private final AtomicLong next = new AtomicLong();
        private final Set<Long> acknowledged = ConcurrentHashMap.newKeySet();
        private final ExecutorService threads = Executors.newCachedThreadPool();
        private final List<Future<?>> ends = new ArrayList<>();
        private volatile boolean closed;

        /** One way to the agent; returns whether all certificates were acknowledged. */
        private interface Door {
            boolean put(String lines) throws IOException;
        }

        Producers() {
            begin(this::spool, 40);
            begin(this::submit, 200);
            begin(lines -> post(() -> LocalPost.loopback(intakePort), lines), 12);
            begin(lines -> post(() -> UnixDomainSocketAddress.of(home.control()), lines), 12);
        }

        private void begin(Door door, int maxCertificates) {
            ends.add(threads.submit(() -> {
                for (List<Long> numbers = take(maxCertificates); !numbers.isEmpty(); numbers = take(maxCertificates)) {
                    String lines = numbers.stream()
                            .map(number -> AgentHome.unsigned(certificate(number)) + "\n")
                            .collect(Collectors.joining());
                    boolean done = door.put(lines);
                    while (!done && !closed && chances.nextInt(5) > 0) {
                        done = door.put(lines);
                    }
                    if (done) {
                        acknowledged.addAll(numbers);
                    }
                }
                return null;
            }));
        }

        /** Returns the next numbers; none when all are taken. */
        private List<Long> take(int most) throws InterruptedException {
            int wanted = 1 + chances.nextInt(most);
            List<Long> numbers = new ArrayList<>();
            while (numbers.size() < wanted && !closed && next.get() < CERTIFICATES) {
                boolean unused = released.tryAcquire(PATIENCE.toSeconds(), TimeUnit.SECONDS);
                long number = next.getAndIncrement();
                if (number < CERTIFICATES) {
                    numbers.add(number);
                }
            }
            return numbers;
        }

        /** Acknowledged when the agent has removed the file, which survives kills of the agent. */
        private boolean spool(String lines) throws IOException {
            String name = chances.nextInt(Integer.MAX_VALUE) + ".ndjson";
            Path written = Files.writeString(home.directory().resolve("outside").resolve(name), lines);
            Path file = Files.move(written, home.spool().resolve(name));
            await().atMost(PATIENCE).until(() -> closed || Files.notExists(file));
            return !closed;
        }

        private boolean submit(String lines) {
            try (Program submit = home.start(environment, "submit", "-")) {
                submit.input(lines);
                return submit.awaitExit() == 0;
            } catch (IOException e) {
                return false; // the command ended before it had read all lines
            }
        }

        /** Acknowledged with 202; waits while nobody listens. */
        private boolean post(Supplier<SocketAddress> door, String lines) {
            boolean[] accepted = new boolean[1];
            await().atMost(PATIENCE).pollInterval(Duration.ofMillis(20)).until(() -> {
                try {
                    accepted[0] = LocalPost.lines(door.get(), lines).status() == 202;
                    return true;
                } catch (ConnectException e) {
                    return closed;
                } catch (IOException e) {
                    return true; // the agent may have added the certificates
                }
            });
            return accepted[0];
        }

        /** Returns the numbers of the acknowledged certificates, after all have been offered. */
        Set<Long> finish() throws Exception {
            released.release(CERTIFICATES);
            for (Future<?> end : ends) {
                end.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            }
            return acknowledged;
        }

        @Override
        public void close() {
            closed = true;
            released.release(CERTIFICATES);
            threads.shutdown();
            await().atMost(PATIENCE).until(threads::isTerminated);
        }
    }
}
