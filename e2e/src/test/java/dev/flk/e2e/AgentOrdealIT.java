// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.e2e.OrdealCertificates.Kind;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Everything at once: certificates come by all doors, the agent and the backend are killed, the key changes, and a proxy between them
 * misbehaves. {@code -Dflk.ordeal=full} is the long form. What the proxy does and in which order things happen follows from the seed,
 * {@code -Dflk.seed=N} repeats it; when exactly a kill meets whom the machine decides.
 */
@Tag("thorough")
final class AgentOrdealIT {
    private static final boolean FULL = System.getProperty("flk.ordeal", "").equals("full");
    private static final int CERTIFICATES = FULL ? 20_000 : 1_500;
    private static final int AGENT_KILLS = FULL ? 50 : 5;
    private static final int BACKEND_KILLS = FULL ? 10 : 2;
    private static final int KEY_CHANGES = FULL ? 6 : 2;
    /** Between two blows the proxy sees up to so many requests. */
    private static final int MOST_REQUESTS = 80;

    private static final Duration LAST_CERTIFICATE_WITHIN = Duration.ofMinutes(15);

    private final long seed = Long.getLong("flk.seed", System.nanoTime());
    private final Random random = new Random(seed);
    private final OrdealCertificates certificates = new OrdealCertificates(CERTIFICATES);

    @TempDir
    private Path directory;

    private String key = Pcs.KEY;
    private BackendProcess backend;
    private MisbehavingProxy proxy;
    private OrdealAgent agent;

    /** What befalls them. */
    private enum Blow {
        AGENT_KILLED,
        BACKEND_KILLED,
        KEY_CHANGED_IN_BACKEND_FIRST,
        KEY_CHANGED_IN_AGENT_FIRST
    }

    @BeforeEach
    void start() throws Exception {
        System.out.println("the ordeal's seed is " + seed + "; -Dflk.seed=" + seed + " repeats its plan");
        startBackend();
        proxy = new MisbehavingProxy(backend.url(), seed);
        agent = new OrdealAgent(AgentHome.in(Files.createDirectory(directory.resolve("agent"))), proxy.url(), key);
        agent.start();
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
        for (long number : certificates.ofKind(Kind.CONFLICT)) {
            assertThat(before.submit(OrdealCertificates.recordedBefore(number)).status())
                    .isEqualTo(200);
        }

        try (OrdealProducers producers = new OrdealProducers(agent, certificates, random.nextLong())) {
            List<Blow> blows = blows();
            for (Blow blow : blows) {
                producers.release(CERTIFICATES / blows.size());
                awaitRequests(random.nextInt(MOST_REQUESTS));
                befall(blow);
            }
            producers.release(CERTIFICATES);
            producers.awaitEnd();
            awaitEmptyOutbox();
            agent.stop();

            OrdealAudit audit = new OrdealAudit(agent, LogFiles.inbox(directory.resolve("data/wal")), certificates);
            System.out.println("the outbox has " + audit.takenIn() + "; "
                    + producers.acknowledged().size() + " were acknowledged; " + proxy.tally());
            assertStatusIsEmpty();
            audit.everythingAcknowledgedWasTaken(producers.acknowledged());
            audit.deadLettersAreTheHopeless();
            audit.logHasEachOnce();
            audit.everyGoodOneHasItsOutcome(new Client(backend.url()));
        }
    }

    private List<Blow> blows() {
        List<Blow> blows = new ArrayList<>();
        blows.addAll(Collections.nCopies(AGENT_KILLS, Blow.AGENT_KILLED));
        blows.addAll(Collections.nCopies(BACKEND_KILLS, Blow.BACKEND_KILLED));
        blows.addAll(Collections.nCopies(KEY_CHANGES / 2, Blow.KEY_CHANGED_IN_BACKEND_FIRST));
        blows.addAll(Collections.nCopies(KEY_CHANGES / 2, Blow.KEY_CHANGED_IN_AGENT_FIRST));
        Collections.shuffle(blows, random);
        return blows;
    }

    private void befall(Blow blow) throws Exception {
        switch (blow) {
            case AGENT_KILLED -> {
                agent.kill();
                agent.start();
            }
            case BACKEND_KILLED -> restartBackend();
            case KEY_CHANGED_IN_BACKEND_FIRST -> {
                key = "ordeal-key-" + random.nextInt();
                restartBackend();
                awaitRequests(random.nextInt(20));
                agent.changeKey(key);
            }
            case KEY_CHANGED_IN_AGENT_FIRST -> {
                key = "ordeal-key-" + random.nextInt();
                agent.changeKey(key);
                awaitRequests(random.nextInt(20));
                restartBackend();
            }
        }
    }

    private void restartBackend() throws Exception {
        backend.program().kill();
        startBackend();
        proxy.passOnTo(backend.url());
    }

    private void startBackend() throws Exception {
        backend = BackendProcess.start(directory, Map.of("PCS_HMAC_KEY", key));
    }

    /** Until the proxy has seen so many more, or nothing waits that could be sent. */
    private void awaitRequests(int more) {
        int wanted = proxy.requests() + more;
        Client.awaitUntil(() -> proxy.requests() >= wanted
                || agent.home().status().path("pending").asLong() == 0);
    }

    private void awaitEmptyOutbox() {
        await().atMost(LAST_CERTIFICATE_WITHIN)
                .pollInterval(Duration.ofMillis(50))
                .until(() -> agent.home().status().path("pending").asLong() == 0);
    }

    private void assertStatusIsEmpty() throws Exception {
        try (Program status = agent.command("status", "--json")) {
            assertThat(status.awaitExit()).as(status.allLines()).isZero();
            assertThat(new JsonMapper().readTree(status.out()).path("pending").asLong())
                    .isZero();
        }
    }

    /**
     * What must hold when the ordeal is over. What the agent took in is read from the outbox's own log, entry by entry, since a producer
     * that got no answer may have put a certificate in twice or not at all.
     */
    private static final class OrdealAudit {
        private static final JsonMapper JSON = new JsonMapper();

        private final OrdealAgent agent;
        private final LogFiles inbox;
        private final OrdealCertificates certificates;
        private final Map<String, Long> numbers;
        /** Numbers of the certificates by the sequences of their entries in the outbox. */
        private final Map<Long, Long> taken = new TreeMap<>();

        OrdealAudit(OrdealAgent agent, LogFiles inbox, OrdealCertificates certificates) throws IOException {
            this.agent = agent;
            this.inbox = inbox;
            this.certificates = certificates;
            this.numbers = certificates.numbersById();
            for (LogFiles.Entry record : new LogFiles(agent.home().outbox(), "outbox").entries()) {
                if (record.kind() == 'c') {
                    Long before = taken.put(record.sequence(), number(record.body()));
                    assertThat(before)
                            .as("two entries with sequence %s", record.sequence())
                            .isNull();
                }
            }
        }

        private long number(String certificate) throws IOException {
            return numbers.get(JSON.readTree(certificate).path("pcs_id").asText());
        }

        /** Entries of the outbox, and different certificates among them. */
        String takenIn() {
            return taken.size() + " entries of " + new HashSet<>(taken.values()).size() + " certificates";
        }

        void everythingAcknowledgedWasTaken(Set<Long> acknowledged) {
            List<Long> lost = new ArrayList<>(acknowledged);
            lost.removeAll(new HashSet<>(taken.values()));
            assertThat(lost).as("acknowledged, and not in the outbox").isEmpty();
        }

        /** In the backend's log every good one stands once, each conflict once as evidence, and nothing else. */
        void logHasEachOnce() throws IOException {
            Map<Character, List<Long>> found = new HashMap<>();
            for (LogFiles.Entry entry : inbox.entries()) {
                found.computeIfAbsent(entry.kind(), any -> new ArrayList<>()).add(number(entry.body()));
            }
            Set<Long> submitted = new HashSet<>(certificates.ofKind(Kind.CONFLICT));
            submitted.addAll(takenIf(kind -> !kind.isHopeless()));
            assertEachOnce("submissions", found.remove('s'), submitted);
            assertEachOnce("evidence", found.remove('e'), takenIf(kind -> kind == Kind.CONFLICT));
            assertThat(found).as("records of other kinds").isEmpty();
        }

        /** The dead letters are exactly the entries that were hopeless. */
        void deadLettersAreTheHopeless() throws IOException {
            List<Long> dead = new ArrayList<>();
            for (String line : agent.home().deadLetters()) {
                JsonNode letter = JSON.readTree(line);
                long sequence = letter.path("outbox_seq").asLong();
                dead.add(sequence);
                Kind kind = OrdealCertificates.kind(
                        number(letter.path("certificate").toString()));
                assertThat(letter.path("reason").asText())
                        .as(line)
                        .startsWith(kind == Kind.CONFLICT ? "conflict: " : "schema ");
            }
            Set<Long> hopeless = new HashSet<>(taken.keySet());
            hopeless.removeIf(
                    sequence -> !OrdealCertificates.kind(taken.get(sequence)).isHopeless());
            assertEachOnce("dead letters", dead, hopeless);
        }

        /** The backend tells the outcome of every good one. */
        void everyGoodOneHasItsOutcome(Client client) throws IOException, InterruptedException {
            for (long number : takenIf(kind -> !kind.isHopeless())) {
                String escalated = OrdealCertificates.kind(number) == Kind.ESCALATED ? "true" : "false";
                assertThat(client.get("/v1/pcs/" + OrdealCertificates.of(number).id())
                                .body())
                        .contains("\"accepted\":true,\"escalated\":" + escalated);
            }
        }

        private Set<Long> takenIf(Predicate<Kind> wanted) {
            Set<Long> found = new HashSet<>(taken.values());
            found.removeIf(number -> !wanted.test(OrdealCertificates.kind(number)));
            return found;
        }

        /** Says which differ, where a comparison of twenty thousand would not help anybody. */
        private static void assertEachOnce(String what, Collection<Long> found, Set<Long> expected) {
            Set<Long> missing = new HashSet<>(expected);
            missing.removeAll(new HashSet<>(found));
            assertThat(missing).as("%s: missing", what).isEmpty();
            Set<Long> seen = new HashSet<>();
            List<Long> twice = found.stream().filter(one -> !seen.add(one)).toList();
            assertThat(twice).as("%s: more than once", what).isEmpty();
            seen.removeAll(expected);
            assertThat(seen).as("%s: not expected", what).isEmpty();
        }
    }
}
