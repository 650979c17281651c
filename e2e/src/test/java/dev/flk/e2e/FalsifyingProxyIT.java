// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.run.Agent;
import dev.flk.agent.send.Settlement;
import dev.flk.e2e.FalsifyingProxy.Falsification;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Tests that a fault of the transport between an honest agent and an honest backend ends no certificate: a certificate
 * becomes a dead letter only if the backend has refused exactly its bytes.
 */
final class FalsifyingProxyIT {
    private static final int CERTIFICATES = 21;
    private static final int BATCH = 7;
    private static final int[] BATCH_SIZES = {1, BATCH};
    private static final long PATIENCE_SECONDS = 60;

    @RegisterExtension
    private static final RunningBackend BACKEND = RunningBackend.with(Map.of("MAX_BODY_BYTES", "4096"));

    @TempDir
    private Path directory;

    /** One agent sends each certificate alone, and one sends them in batches. */
    @ParameterizedTest
    @EnumSource
    void firstRequestsFalsified_allCertificatesAreAccepted(Falsification falsification) throws Exception {
        int port = BACKEND.backend().port();
        try (FalsifyingProxy ofOne = new FalsifyingProxy(port, falsification, CERTIFICATES);
                FalsifyingProxy ofBatches = new FalsifyingProxy(port, falsification, 2 * CERTIFICATES / BATCH);
                Agent one = agent(ofOne.url(), 1);
                Agent batches = agent(ofBatches.url(), BATCH)) {
            List<CompletableFuture<Settlement>> settled = new ArrayList<>();
            for (int i = 0; i < CERTIFICATES; i++) {
                settled.add(submit(one, BACKEND.next()));
                settled.add(submit(batches, BACKEND.next()));
            }

            for (CompletableFuture<Settlement> each : settled) {
                assertThat(each.get(PATIENCE_SECONDS, TimeUnit.SECONDS).kind()).isEqualTo(Settlement.Kind.ACCEPTED);
            }
        }
        for (int batchSize : BATCH_SIZES) {
            assertThat(home(batchSize).deadLetters()).isEmpty();
        }
    }

    /** Checks that certificates which the backend does refuse still become dead letters at once, in batches too. */
    @Test
    void refusedByTheBackend_becomesADeadLetterAtOnce() throws Exception {
        for (int batchSize : BATCH_SIZES) {
            try (FalsifyingProxy proxy = new FalsifyingProxy(BACKEND.backend().port(), Falsification.CUT, 0);
                    Agent agent = agent(proxy.url(), batchSize)) {
                CompletableFuture<Settlement> malformed =
                        submit(agent, BACKEND.next().with("regime", "\"none\""));
                CompletableFuture<Settlement> tooLong =
                        submit(agent, BACKEND.next().with("seed_text", "\"" + "x".repeat(5_000) + "\""));
                CompletableFuture<Settlement> good = submit(agent, BACKEND.next());

                assertThat(malformed.get(PATIENCE_SECONDS, TimeUnit.SECONDS))
                        .extracting(Settlement::kind, Settlement::reason)
                        .satisfies(found -> assertThat(found.toString()).contains("DEAD_LETTERED", "regime"));
                assertThat(tooLong.get(PATIENCE_SECONDS, TimeUnit.SECONDS))
                        .extracting(Settlement::kind, Settlement::reason)
                        .containsExactly(Settlement.Kind.DEAD_LETTERED, "body over 4096 bytes");
                assertThat(good.get(PATIENCE_SECONDS, TimeUnit.SECONDS).kind()).isEqualTo(Settlement.Kind.ACCEPTED);
            }
        }
    }

    private static CompletableFuture<Settlement> submit(Agent agent, Pcs certificate) throws Exception {
        return agent.submit(AgentHome.unsigned(certificate).getBytes(StandardCharsets.UTF_8))
                .toCompletableFuture();
    }

    private AgentHome home(int batchSize) throws IOException {
        return new AgentHome(Files.createDirectories(directory.resolve("batches-of-" + batchSize))
                .toRealPath());
    }

    private Agent agent(String endpoint, int batchSize) throws Exception {
        Map<String, String> settings = home(batchSize).sendingTo(endpoint);
        settings.remove("SPOOL_DIR");
        settings.put("BATCH_SIZE", Integer.toString(batchSize));
        settings.put("HEARTBEAT", "0");
        settings.put("OUTBOX_MIN_FREE_BYTES", "0");
        return AgentHome.open(settings);
    }
}
