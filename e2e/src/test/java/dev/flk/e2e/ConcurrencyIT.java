// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.PcsId;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Three thousand certificates from sixteen connections: new ones, duplicates and conflicts of the same id at the same moment,
 * strangers and nonsense among them.
 */
final class ConcurrencyIT {
    private static final int CONNECTIONS = 16;
    private static final int TOTAL = 3_000;

    @TempDir
    private Path directory;

    /** What is sent, and how it must end. */
    private record Sent(Kind kind, PcsId id, String dHat, byte[] body) {}

    private record Answered(Sent sent, Answer answer) {}

    private enum Kind {
        VALID,
        BAD_SIGNATURE,
        MALFORMED
    }

    @Test
    void everyAnswerIsRight_oneOutcomePerId_andTheCountersAddUp() throws Exception {
        List<Sent> plan = plan(new Random(20261120));
        assertThat(plan).hasSize(TOTAL);
        try (BackendProcess backend = BackendProcess.start(directory)) {
            List<Answered> answered = sendAll(plan, backend.url());
            Client client = new Client(backend.url());
            Map<PcsId, String> bodies = assertAnswers(answered);
            assertCounters(answered, bodies.size(), client);
            assertRecorded(bodies, client);
        }
    }

    /** Groups of one to six submissions of one id stand side by side, so that they arrive at the same moment. */
    private static List<Sent> plan(Random random) {
        List<Sent> plan = new ArrayList<>();
        for (long epoch = 0; plan.size() < TOTAL; epoch++) {
            // accepted, escalated and rejected ones
            Pcs pcs = Pcs.number(epoch)
                    .with("budget", epoch % 3 == 0 ? "0.9" : "0.26")
                    .with("coh_star", epoch % 5 == 0 ? "1.2" : "0.5");
            int copies = 1 + random.nextInt(6);
            for (int i = 0; i < copies && plan.size() < TOTAL; i++) {
                String dHat = random.nextInt(4) == 0 ? "1.00000" + (1 + random.nextInt(3)) : "1.0";
                Pcs sent = pcs.with("D_hat", dHat).with("attempt", Integer.toString(i + 1));
                plan.add(
                        switch (random.nextInt(12)) {
                            case 0 ->
                                new Sent(
                                        Kind.BAD_SIGNATURE,
                                        sent.id(),
                                        dHat,
                                        sent.tampered("r", "0.81").bytes());
                            case 1 ->
                                new Sent(
                                        Kind.MALFORMED,
                                        sent.id(),
                                        dHat,
                                        sent.with("regime", "\"other\"").bytes());
                            default -> new Sent(Kind.VALID, sent.id(), dHat, sent.bytes());
                        });
            }
        }
        return plan;
    }

    private static List<Answered> sendAll(List<Sent> plan, String url) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(CONNECTIONS);
        try {
            AtomicInteger next = new AtomicInteger();
            List<Future<List<Answered>>> parts = new ArrayList<>();
            for (int i = 0; i < CONNECTIONS; i++) {
                parts.add(pool.submit(() -> {
                    Client client = new Client(url); // a connection of its own
                    List<Answered> mine = new ArrayList<>();
                    for (int at = next.getAndIncrement(); at < plan.size(); at = next.getAndIncrement()) {
                        mine.add(new Answered(
                                plan.get(at), client.submit(plan.get(at).body())));
                    }
                    return mine;
                }));
            }
            List<Answered> all = new ArrayList<>();
            for (Future<List<Answered>> part : parts) {
                all.addAll(part.get());
            }
            return all;
        } finally {
            pool.shutdown();
        }
    }

    /** Returns the one body of each id. */
    private static Map<PcsId, String> assertAnswers(List<Answered> answered) {
        Map<PcsId, List<Answered>> valid = answered.stream()
                .filter(one -> one.sent().kind() == Kind.VALID)
                .collect(Collectors.groupingBy(one -> one.sent().id()));
        Map<PcsId, String> bodies = new HashMap<>();
        valid.forEach((id, ofId) -> {
            List<Answered> first = ofId.stream()
                    .filter(one -> !one.answer().has("X-Flk-Duplicate"))
                    .toList();
            assertThat(first).as("decided once: %s", id).hasSize(1);
            Answered winner = first.get(0);
            assertThat(winner.answer().has("X-Flk-Conflict")).isFalse();
            for (Answered one : ofId) {
                assertThat(one.answer().status())
                        .isEqualTo(winner.answer().status())
                        .isIn(200, 202);
                assertThat(one.answer().body()).isEqualTo(winner.answer().body());
                assertThat(one.answer().has("X-Flk-Conflict"))
                        .isEqualTo(!one.sent().dHat().equals(winner.sent().dHat()));
            }
            bodies.put(id, winner.answer().body());
        });
        for (Answered one : answered) {
            switch (one.sent().kind()) {
                case VALID -> {}
                case BAD_SIGNATURE -> {
                    assertThat(one.answer().status()).isEqualTo(401);
                    assertThat(one.answer().body()).isEqualTo("{\"error\":\"Signature verification failed\"}");
                }
                case MALFORMED -> {
                    assertThat(one.answer().status()).isEqualTo(400);
                    assertThat(one.answer().body()).startsWith("{\"error\":\"").contains("regime");
                }
            }
        }
        return bodies;
    }

    private static void assertCounters(List<Answered> answered, int ids, Client client) throws Exception {
        long valid = count(answered, Kind.VALID);
        long conflicts = answered.stream()
                .filter(one -> one.answer().has("X-Flk-Conflict"))
                .count();
        assertThat(conflicts).isGreaterThan(50);
        assertThat(client.metric("flk_ingest_total")).isEqualTo(TOTAL);
        double accepted = client.metric("flk_accepted");
        double escalated = client.metric("flk_escalated");
        assertThat(accepted).isGreaterThan(100);
        assertThat(escalated).isGreaterThan(100);
        assertThat(accepted + escalated).isEqualTo(ids);
        assertThat(client.metric("flk_dedup_hits")).isEqualTo((double) (valid - ids));
        assertThat(client.metric("flk_conflicts_total")).isEqualTo((double) conflicts);
        assertThat(client.metric("flk_signature_errors")).isEqualTo((double) count(answered, Kind.BAD_SIGNATURE));
        assertThat(client.metric("flk_rejected_total{reason=\"malformed\",}"))
                .isEqualTo((double) count(answered, Kind.MALFORMED));
        assertThat(client.metric("flk_wal_errors")).isZero();
        assertThat(client.metric("flk_inbox_pending")).isZero();
    }

    private static long count(List<Answered> answered, Kind kind) {
        return answered.stream().filter(one -> one.sent().kind() == kind).count();
    }

    private static void assertRecorded(Map<PcsId, String> bodies, Client client) throws Exception {
        for (Map.Entry<PcsId, String> recorded : bodies.entrySet()) {
            Answer answer = client.get("/v1/pcs/" + recorded.getKey());
            assertThat(answer.status()).isEqualTo(200);
            assertThat(answer.body().getBytes(StandardCharsets.UTF_8))
                    .isEqualTo(recorded.getValue().getBytes(StandardCharsets.UTF_8));
        }
    }
}
