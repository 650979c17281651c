// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.testkit.RedisServer;
import dev.flk.testkit.ServerProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of outages of a shared store, most of them while a backend is under traffic, with real servers.
 * {@code -Dflk.outageSeconds=60} stops the store for 60 seconds, like the commands in {@code docs/from-the-guide.md}.
 */
abstract class StoreOutages {
    private static final Duration OUTAGE = Duration.ofSeconds(Long.getLong("flk.outageSeconds", 1));

    @TempDir
    private Path directory;

    private ServerProcess store;

    abstract ServerProcess startStore(Path serverDirectory) throws IOException;

    @BeforeEach
    void startStore() throws IOException {
        store = startStore(directory.resolve("server"));
    }

    @AfterEach
    void stopStore() {
        store.close();
    }

    private ServedBackend backend(String name) throws IOException {
        Map<String, String> configuration = new HashMap<>(store.configuration());
        configuration.put("WAL_MIN_FREE_BYTES", "1MiB");
        if (store instanceof RedisServer) {}
        return BackendInJvm.start(Files.createDirectories(directory.resolve(name)), configuration);
    }

    /** Checks that the guarantee of {@link OutageUnderTraffic} holds during an outage. */
    private void assertWithstood(Runnable begin, Runnable end) throws Exception {
        try (ServedBackend backend = backend("a");
                OutageUnderTraffic outage = new OutageUnderTraffic(backend)) {
            outage.begins(begin);
            outage.lasts(OUTAGE);
            outage.ends(end);
            outage.assertNoneLostNorDoubled();
        }
    }

    @Test
    void killedAndRestartedEmpty_underTraffic_losesAndDoublesNothing() throws Exception {
        assertWithstood(store::kill, store::restartEmpty);
    }

    @Test
    @Tag("thorough")
    void restoredFromAnOlderCopy_underTraffic_losesAndDoublesNothing() throws Exception {
        try (ServedBackend backend = backend("a")) {
            Client client = new Client(backend.url());
            client.awaitReady();
            assertThat(client.submit(Pcs.number(1_000_001)).status()).isEqualTo(200);
        }
        assertWithstood(store::kill, store.copy());
    }

    @Test
    @Tag("thorough")
    void twoBackends_sameAndConflictingConcurrently_oneOutcomeEach() throws Exception {
        try (ServedBackend first = backend("a");
                ServedBackend second = backend("b")) {
            List<Client> clients = List.of(new Client(first.url()), new Client(second.url()));
            clients.forEach(Client::awaitReady);
            for (int i = 0; i < 100; i++) {
                Pcs one = Pcs.number(i);
                Pcs other = i % 2 == 0 ? one : one.with("budget", "0.9");
                List<Answer> answers = atOnce(clients, List.of(one, other));
                assertThat(answers.get(0).body()).isEqualTo(answers.get(1).body());
                assertThat(answers)
                        .filteredOn(answer -> answer.has("X-Flk-Duplicate"))
                        .hasSizeLessThanOrEqualTo(1);
                assertThat(answers)
                        .filteredOn(answer -> answer.has("X-Flk-Conflict"))
                        .hasSize(i % 2);
                for (Client client : clients) {
                    assertThat(client.get("/v1/pcs/" + one.id()).body())
                            .isEqualTo(answers.get(0).body());
                }
            }
            double overruled = 0;
            double logged = 0;
            for (int i = 0; i < clients.size(); i++) {
                overruled += clients.get(i).metric("flk_overruled_total");
                Path wal = directory.resolve(i == 0 ? "a/data/wal" : "b/data/wal");
                logged += LogFiles.inbox(wal).entries().stream()
                        .filter(entry -> entry.kind() == 'o')
                        .count();
            }
            assertThat(logged).isEqualTo(overruled);
        }
    }

    private static List<Answer> atOnce(List<Client> clients, List<Pcs> bodies) {
        List<CompletableFuture<Answer>> answers = new ArrayList<>();
        for (int i = 0; i < clients.size(); i++) {
            Client client = clients.get(i);
            Pcs pcs = bodies.get(i);
            answers.add(CompletableFuture.supplyAsync(() -> {
                try {
                    return client.submit(pcs);
                } catch (IOException | InterruptedException e) {
                    throw new AssertionError(e);
                }
            }));
        }
        return answers.stream().map(CompletableFuture::join).toList();
    }
}
