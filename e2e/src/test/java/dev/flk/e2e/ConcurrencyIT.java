// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.PcsId;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of concurrent submissions: sixteen connections send three thousand certificates, and for each id, two equal
 * certificates and a conflicting one arrive at about the same time.
 */
final class ConcurrencyIT {
    private static final int CONNECTIONS = 16;
    private static final int IDS = 1_000;
    private static final int COPIES = 3;

    @TempDir
    private Path directory;

    private final AtomicInteger next = new AtomicInteger();

    private record Answered(PcsId id, boolean isOther, Answer answer) {}

    @Test
    void equalAndConflictingConcurrently_oneOutcomePerIdAndCountersAddUp() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(CONNECTIONS);
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            List<Future<List<Answered>>> parts = new ArrayList<>();
            for (int i = 0; i < CONNECTIONS; i++) {
                parts.add(pool.submit(() -> submit(new Client(backend.url()))));
            }
            List<Answered> all = new ArrayList<>();
            for (Future<List<Answered>> part : parts) {
                all.addAll(part.get());
            }
            all.stream().collect(Collectors.groupingBy(Answered::id)).values().forEach(ConcurrencyIT::assertOneOutcome);

            Client client = new Client(backend.url());
            assertThat(client.metric("flk_ingest_total")).isEqualTo(IDS * COPIES);
            assertThat(client.metric("flk_accepted")).isEqualTo(IDS);
            assertThat(client.metric("flk_dedup_hits")).isEqualTo(IDS * (COPIES - 1));
            assertThat(client.metric("flk_conflicts_total")).isEqualTo((double) all.stream()
                    .filter(one -> one.answer().has("X-Flk-Conflict"))
                    .count());
            Client.awaitUntil(() -> client.metric("flk_inbox_pending") == 0);
        } finally {
            pool.shutdown();
        }
    }

    private List<Answered> submit(Client client) throws Exception {
        List<Answered> answered = new ArrayList<>();
        for (int at = next.getAndIncrement(); at < IDS * COPIES; at = next.getAndIncrement()) {
            boolean isOther = at % COPIES == 1;
            Pcs pcs = Pcs.number(at / COPIES).with("D_hat", isOther ? "1.000001" : "1.0");
            answered.add(new Answered(pcs.id(), isOther, client.submit(pcs)));
        }
        return answered;
    }

    private static void assertOneOutcome(List<Answered> ofId) {
        assertThat(ofId).hasSize(COPIES);
        List<Answered> first = ofId.stream()
                .filter(one -> !one.answer().has("X-Flk-Duplicate"))
                .toList();
        assertThat(first).as("decided once").hasSize(1);
        Answered winner = first.get(0);
        for (Answered one : ofId) {
            assertThat(one.answer().status()).isEqualTo(200);
            assertThat(one.answer().body()).isEqualTo(winner.answer().body());
            assertThat(one.answer().has("X-Flk-Conflict")).isEqualTo(one.isOther() != winner.isOther());
        }
    }
}
