// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.e2e.OrdealCertificates.Kind;
import dev.flk.sample.Pcs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
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
        agent = new OrdealAgent(Files.createDirectory(directory.resolve("agent")), proxy.url(), key);
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

        try (OrdealProducers producers = new OrdealProducers(
                agent, certificates, Files.createDirectory(directory.resolve("outside")), random.nextLong())) {
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

            OrdealAudit audit = new OrdealAudit(agent, new InboxLog(directory.resolve("data/wal")), certificates);
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
        Client.awaitUntil(() ->
                proxy.requests() >= wanted || agent.status().path("pending").asLong() == 0);
    }

    private void awaitEmptyOutbox() {
        await().atMost(LAST_CERTIFICATE_WITHIN)
                .pollInterval(Duration.ofMillis(50))
                .until(() -> agent.status().path("pending").asLong() == 0);
    }

    private void assertStatusIsEmpty() throws Exception {
        try (Program status = agent.command("status", "--json")) {
            assertThat(status.awaitExit()).as(status.allLines()).isZero();
            assertThat(new JsonMapper().readTree(status.out()).path("pending").asLong())
                    .isZero();
        }
    }
}
