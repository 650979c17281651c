// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import dev.flk.testkit.FreePort;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that nothing is lost, and that a resend changes nothing, when the agent is killed with {@code kill -9} while it
 * appends, sends and settles, or when both programs are killed in turn. {@code -Dflk.kills=20} kills them more often.
 */
final class AgentKillIT {
    private static final int KILLS = Integer.getInteger("flk.kills", 2);
    private static final int CERTIFICATES = 80 * KILLS;
    private static final int EACH = 10;

    @TempDir
    private Path directory;

    private final Random random = new Random(4);
    private AgentHome home;

    @BeforeEach
    void agentHome() throws IOException {
        home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
    }

    @Test
    @Tag("thorough")
    void killedWhileSending_everyCertificateIsRecordedOnce() throws Exception {
        // slow enough that certificates are in flight at each kill
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("TOKEN_RATE", "300", "TOKEN_BURST", "20"))) {
            Client client = new Client(backend.url());
            home.spool("all", certificates(0, CERTIFICATES));
            for (int kill = 0; kill < KILLS; kill++) {
                double wanted = Math.min(CERTIFICATES, client.metric("flk_accepted") + 10 + random.nextInt(40));
                try (Program agent = agent(backend)) {
                    Client.awaitUntil(() -> client.metric("flk_accepted") >= wanted);
                    agent.kill();
                }
            }
            finish(backend, client, CERTIFICATES);
        }
    }

    @Test
    @Tag("thorough")
    void killedDuringIntake_everySpooledCertificateIsRecordedOnce() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            int files = 0;
            for (int kill = 0; kill < KILLS; kill++) {
                for (int i = 0; i < 5; i++) {
                    home.spool("file-" + files, certificates((long) EACH * files++, EACH));
                }
                int left = random.nextInt(5);
                try (Program agent = agent(backend)) {
                    Client.awaitUntil(() -> filesInSpool() <= left);
                    agent.kill();
                }
            }
            finish(backend, new Client(backend.url()), files * EACH);
        }
    }

    @Test
    void bothKilledInTurn_everyCertificateIsRecordedOnce() throws Exception {
        String port = Integer.toString(FreePort.choose());
        Map<String, String> slow = Map.of("PORT", port, "TOKEN_RATE", "300", "TOKEN_BURST", "20");
        home.spool("all", certificates(0, CERTIFICATES));
        for (int kill = 0; kill < KILLS; kill++) {
            try (BackendProcess backend = BackendProcess.start(directory, slow);
                    Program agent = agent(backend)) {
                Client client = new Client(backend.url());
                int more = 1 + random.nextInt(20);
                Client.awaitUntil(() -> client.metric("flk_accepted") >= more);
                (kill % 2 == 0 ? backend.program() : agent).kill();
            }
        }
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("PORT", port))) {
            finish(backend, new Client(backend.url()), CERTIFICATES);
        }
    }

    private void finish(ServedBackend backend, Client client, int certificates) throws Exception {
        AgentHome.succeed(environment(backend), "run", "--until-empty");
        assertThat(home.spoolIsEmpty()).isTrue();
        assertThat(LogFiles.inbox(directory.resolve("data/wal")).entries()).hasSize(certificates);
        assertThat(client.metric("flk_conflicts_total")).isZero();
        for (Pcs pcs : certificates(0, certificates)) {
            assertThat(client.get("/v1/pcs/" + pcs.id()).status()).isEqualTo(200);
        }
        assertThat(home.deadLetters()).isEmpty();
    }

    private Program agent(ServedBackend backend) throws IOException {
        return home.start(environment(backend), "run");
    }

    private Map<String, String> environment(ServedBackend backend) {
        Map<String, String> environment = home.sendingTo(backend.url());
        environment.put("BATCH_SIZE", "7");
        environment.put("MAX_IN_FLIGHT", "21");
        return environment;
    }

    private static List<Pcs> certificates(long firstEpoch, int count) {
        return LongStream.range(firstEpoch, firstEpoch + count)
                .mapToObj(Pcs::number)
                .toList();
    }

    private long filesInSpool() throws IOException {
        try (Stream<Path> files = Files.list(home.spool())) {
            return files.count();
        }
    }
}
