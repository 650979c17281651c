// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import dev.flk.testkit.FreePort;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that nothing is lost, and that a resend changes nothing, when the agent is killed with {@code kill -9} while it
 * reads its spool, sends and settles, in turn with the backend. {@code -Dflk.kills=20} kills them more often.
 */
final class AgentKillIT {
    private static final int KILLS = Integer.getInteger("flk.kills", 1);
    private static final int FILES = 8;
    private static final int EACH = 10;

    @TempDir
    private Path directory;

    @Test
    void agentAndBackendKilledInTurn_everyCertificateIsRecordedOnce() throws Exception {
        AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        Random random = new Random(4);
        String port = Integer.toString(FreePort.choose());
        Map<String, String> slow = Map.of("PORT", port, "TOKEN_RATE", "300", "TOKEN_BURST", "20");
        Map<String, String> environment = home.sendingTo("http://127.0.0.1:" + port);
        environment.put("BATCH_SIZE", "7");
        environment.put("MAX_IN_FLIGHT", "21");
        List<Pcs> all = new ArrayList<>();
        for (int kill = 0; kill < KILLS; kill++) {
            for (int file = 0; file < FILES; file++) {
                List<Pcs> some = LongStream.range(all.size(), all.size() + EACH)
                        .mapToObj(Pcs::number)
                        .toList();
                home.spool("file-" + all.size(), some);
                all.addAll(some);
            }
            try (BackendProcess backend = BackendProcess.start(directory, slow);
                    Program agent = home.start(environment, "run")) {
                Client client = new Client(backend.url());
                int more = 1 + random.nextInt(20);
                Client.awaitUntil(() -> client.metric("flk_accepted") >= more);
                (kill % 2 == 0 ? agent : backend.program()).kill();
            }
        }
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("PORT", port))) {
            AgentHome.succeed(environment, "run", "--until-empty");
            assertThat(home.spoolIsEmpty()).isTrue();
            assertThat(LogFiles.inbox(directory.resolve("data/wal")).entries()).hasSameSizeAs(all);
            Client client = new Client(backend.url());
            assertThat(client.metric("flk_conflicts_total")).isZero();
            for (Pcs pcs : all) {
                assertThat(client.get("/v1/pcs/" + pcs.id()).status()).isEqualTo(200);
            }
            assertThat(home.deadLetters()).isEmpty();
        }
    }
}
