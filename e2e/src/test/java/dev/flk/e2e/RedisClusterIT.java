// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.run.Agent;
import dev.flk.agent.send.Settlement;
import dev.flk.sample.Pcs;
import dev.flk.testkit.RedisCluster;
import dev.flk.testkit.RedisServer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that two backends over a Redis Cluster of six nodes lose and double nothing while agents send: the master of
 * the slot is killed, paused and emptied, and the slot moves. With {@code -Dflk.seconds=600}, the faults go on for ten
 * minutes; by default each happens once.
 */
@Tag("thorough")
final class RedisClusterIT {
    private static final String TAG = "flk";
    private static final int PER_SECOND = Integer.getInteger("flk.rate", 500);
    private static final long SECONDS = Integer.getInteger("flk.seconds", 0);
    private static final long PATIENCE_SECONDS = 300;
    private static final int MOST_LOOKED_UP = 5_000;

    @TempDir
    private Path directory;

    /** A fault of the cluster, from its begin until the cluster is whole again. */
    private enum Fault {
        KILLED {
            @Override
            void happen(RedisCluster cluster) {
                RedisServer master = cluster.master(TAG);
                master.kill();
                cluster.masterExcept(master, TAG);
                master.restart();
            }
        },
        PAUSED {
            @Override
            void happen(RedisCluster cluster) {
                RedisServer master = cluster.master(TAG);
                master.pause();
                cluster.masterExcept(master, TAG);
                master.resume();
            }
        },
        MOVED {
            @Override
            void happen(RedisCluster cluster) {
                cluster.move(TAG, cluster.otherMaster(TAG), () -> {});
            }
        },
        EMPTIED {
            @Override
            void happen(RedisCluster cluster) {
                cluster.master(TAG).send("FLUSHALL");
            }
        };

        abstract void happen(RedisCluster cluster);
    }

    @Test
    void eachFaultUnderTraffic_eachCertificateIsAnsweredOnce_withTheSameBytes() throws Exception {
        try (RedisCluster cluster = RedisCluster.start(directory.resolve("redis"), 3, true);
                ServedBackend one = backend("one", cluster);
                ServedBackend other = backend("other", cluster);
                Agent first = agent("first", one, other);
                Agent second = agent("second", other, one);
                Sender sender = new Sender(List.of(first, second))) {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
            int faults = 0;
            do {
                for (Fault fault : Fault.values()) {
                    sender.awaitSettled(PER_SECOND);
                    fault.happen(cluster);
                    cluster.awaitReplicas();
                    faults++;
                }
            } while (System.nanoTime() - end < 0);
            sender.end();
            System.out.printf(
                    "RedisClusterIT: %d certificates, %d faults, %.0f + %.0f decided late, %.0f + %.0f reasserted%n",
                    sender.settled().size(),
                    faults,
                    new Client(one.url()).metric("flk_decided_late_total"),
                    new Client(other.url()).metric("flk_decided_late_total"),
                    new Client(one.url()).metric("flk_reasserted_total"),
                    new Client(other.url()).metric("flk_reasserted_total"));
            assertNothingLostOrDoubled(sender.settled(), List.of(one, other));
        }
    }

    private ServedBackend backend(String name, RedisCluster cluster) throws IOException {
        Map<String, String> settings = new HashMap<>(cluster.configuration(TAG));
        settings.put("WAL_MIN_FREE_BYTES", "1MiB");
        ServedBackend backend = BackendInJvm.start(Files.createDirectories(directory.resolve(name)), settings);
        new Client(backend.url()).awaitReady();
        return backend;
    }

    private Agent agent(String name, ServedBackend preferred, ServedBackend next) throws IOException {
        Map<String, String> settings = AgentHome.in(Files.createDirectories(directory.resolve(name)))
                .sendingTo(preferred.url() + "," + next.url());
        settings.remove("SPOOL_DIR");
        settings.put("BATCH_SIZE", "100");
        settings.put("OUTBOX_MIN_FREE_BYTES", "0");
        return AgentHome.open(settings);
    }

    private static void assertNothingLostOrDoubled(Map<String, Settlement> settled, List<ServedBackend> backends)
            throws Exception {
        assertThat(settled.values()).extracting(Settlement::kind).containsOnly(Settlement.Kind.ACCEPTED);
        Map<String, List<String>> all = new HashMap<>();
        List<Client> clients =
                backends.stream().map(each -> new Client(each.url())).toList();
        for (Client client : clients) {
            client.awaitReady();
            client.awaitNothingPending();
            Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
            assertThat(client.metric("flk_lost_outcomes_total")).isZero();
            KilledUnderTraffic.recorded(client)
                    .forEach((id, bodies) -> assertThat(all.merge(id, bodies, (before, now) -> before))
                            .as("outcomes of %s", id)
                            .hasSize(1)
                            .isEqualTo(bodies));
        }
        assertThat(all.keySet()).isEqualTo(settled.keySet());
        for (String id : settled.keySet()) {
            if (settled.size() <= MOST_LOOKED_UP || id.hashCode() % (settled.size() / MOST_LOOKED_UP) == 0) {
                List<String> bodies =
                        clients.stream().map(each -> found(each, id)).toList();
                assertThat(bodies.get(0)).contains(id).isEqualTo(bodies.get(1));
            }
        }
    }

    private static String found(Client backend, String id) {
        try {
            Client.Answer answer = backend.get("/v1/pcs/" + id);
            assertThat(answer.status()).isEqualTo(200);
            return answer.body();
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Hands certificates to agents in turn, at a constant rate. */
    private static final class Sender implements AutoCloseable {
        private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
        private final List<Agent> agents;
        private final AtomicLong epochs = new AtomicLong();
        private final Map<String, Settlement> settled = new ConcurrentHashMap<>();
        private final CompletableFuture<Void> failed = new CompletableFuture<>();

        Sender(List<Agent> agents) {
            this.agents = agents;
            Future<?> unused = timer.scheduleAtFixedRate(
                    this::submit, 0, TimeUnit.SECONDS.toNanos(1) / PER_SECOND, TimeUnit.NANOSECONDS);
        }

        private void submit() {
            long epoch = epochs.incrementAndGet();
            Pcs pcs = Pcs.number(epoch);
            try {
                agents.get((int) (epoch % agents.size()))
                        .submit(AgentHome.unsigned(pcs).getBytes(StandardCharsets.UTF_8))
                        .whenComplete((settlement, failure) -> {
                            if (failure != null) {
                                failed.completeExceptionally(failure);
                            } else {
                                settled.put(pcs.id().toString(), settlement);
                            }
                        });
            } catch (Exception e) {
                failed.completeExceptionally(e);
                throw new IllegalStateException(e);
            }
        }

        /** Waits until {@code more} additional certificates are settled. */
        void awaitSettled(int more) {
            int until = settled.size() + more;
            Client.awaitUntil(() -> {
                failed.getNow(null);
                return settled.size() >= until;
            });
        }

        /** Stops sending, and waits until every certificate is settled. */
        void end() throws InterruptedException {
            close();
            assertThat(timer.awaitTermination(PATIENCE_SECONDS, TimeUnit.SECONDS))
                    .isTrue();
            awaitSettled((int) epochs.get() - settled.size());
        }

        Map<String, Settlement> settled() {
            return settled;
        }

        @Override
        public void close() {
            timer.shutdown();
        }
    }
}
