// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.run.Agent;
import dev.flk.agent.send.Settlement;
import dev.flk.e2e.FalsifyingProxy.Falsification;
import dev.flk.sample.Pcs;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests that a fault of the transport between an honest agent and an honest backend ends no certificate: a certificate
 * becomes a dead letter only if the backend has refused exactly its bytes.
 */
final class FalsifyingProxyIT {
    private static final int CERTIFICATES = 20;
    private static final long PATIENCE_SECONDS = 60;

    @RegisterExtension
    private static final RunningBackend BACKEND = RunningBackend.with(Map.of("MAX_BODY_BYTES", "4096"));

    @TempDir
    private Path directory;

    private static Stream<Arguments> falsifications() {
        return Stream.of(Falsification.values())
                .flatMap(each -> Stream.of(1, 7).map(batchSize -> Arguments.of(each, batchSize)));
    }

    @ParameterizedTest
    @MethodSource("falsifications")
    void firstRequestsFalsified_allCertificatesAreAccepted(Falsification falsification, int batchSize)
            throws Exception {
        try (FalsifyingProxy proxy = new FalsifyingProxy(BACKEND.backend().port(), falsification, CERTIFICATES);
                Agent agent = agent(proxy.url(), batchSize)) {
            List<CompletableFuture<Settlement>> settled = new ArrayList<>();
            for (int i = 0; i < CERTIFICATES; i++) {
                settled.add(submit(agent, BACKEND.next()));
            }

            for (CompletableFuture<Settlement> each : settled) {
                assertThat(each.get(PATIENCE_SECONDS, TimeUnit.SECONDS).kind()).isEqualTo(Settlement.Kind.ACCEPTED);
            }
        }
        assertThat(Files.readAllLines(directory.resolve("dlq.jsonl"))).isEmpty();
    }

    /** Checks that certificates which the backend does refuse still become dead letters at once, in batches too. */
    @Test
    void refusedByTheBackend_becomesADeadLetterAtOnce() throws Exception {
        for (int batchSize : new int[] {1, 7}) {
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

    private Agent agent(String endpoint, int batchSize) throws Exception {
        Map<String, String> settings = new HashMap<>(new AgentHome(directory.toRealPath()).sendingTo(endpoint));
        settings.remove("SPOOL_DIR");
        settings.put("BATCH_SIZE", Integer.toString(batchSize));
        settings.put("HEARTBEAT", "0");
        settings.put("OUTBOX_MIN_FREE_BYTES", "0");
        return AgentHome.open(settings);
    }
}
