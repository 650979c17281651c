// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.LogFiles.Entry;
import dev.flk.sample.Pcs;
import dev.flk.testkit.FreePort;
import dev.flk.testkit.KafkaBrokers;
import dev.flk.testkit.RedisServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests the feed of two backends with one dedup store, while the backends and three brokers, all of them processes, are
 * killed at random moments. {@code -Dflk.fedCertificates=50000} sets how many certificates are sent.
 */
@Alone
@Tag("thorough")
final class FeedBrokersIT {
    private static final int CERTIFICATES = Integer.getInteger("flk.fedCertificates", 50_000);
    private static final int SENDERS = 8;

    /** Of how many certificates one is sent to both backends. */
    private static final int ONE_TO_BOTH = 10;

    private static final String TOPIC = "outcomes";

    @TempDir
    private Path directory;

    private final AtomicInteger sent = new AtomicInteger();
    private int kills;
    private final Random random = new Random(75);

    /** A backend on a fixed port that is killed and started again. */
    private final class Killed implements AutoCloseable {
        private final String name;
        private final Map<String, String> settings;
        private final Client client;
        private BackendProcess process;

        Killed(String name, Map<String, String> common) throws IOException {
            this.name = name;
            int port = FreePort.choose();
            this.client = new Client("http://127.0.0.1:" + port);
            this.settings = new HashMap<>(common);
            settings.put("PORT", Integer.toString(port));
            settings.put("LOG_NAME", name);
            this.process = start();
        }

        private BackendProcess start() throws IOException {
            return BackendProcess.start(Files.createDirectories(directory.resolve(name)), settings);
        }

        void killAndStart() throws IOException {
            process.program().kill();
            process = start();
        }

        /** Returns the id of the log, and the sequences of the submissions in it that were not overruled. */
        Map.Entry<String, List<Long>> winners() throws IOException {
            Path wal = directory.resolve(name).resolve("data/wal");
            List<Entry> entries = LogFiles.inbox(wal).entries();
            Set<Long> overruled = entries.stream()
                    .filter(entry -> entry.kind() == 'o')
                    .map(entry -> Long.parseLong(
                            entry.body().lines().findFirst().orElseThrow().split(" ", -1)[1]))
                    .collect(Collectors.toSet());
            return Map.entry(
                    Files.readString(wal.resolve("inbox.mark")).split(" ", -1)[1],
                    entries.stream()
                            .filter(entry -> entry.kind() == 's' && !overruled.contains(entry.sequence()))
                            .map(Entry::sequence)
                            .toList());
        }

        @Override
        public void close() {
            process.close();
        }
    }

    @Test
    void backendsAndBrokersAreKilled_eachWinnerIsFedOncePerLog() throws Exception {
        try (KafkaBrokers brokers = KafkaBrokers.start(Files.createDirectory(directory.resolve("brokers")), 3);
                RedisServer redis = RedisServer.start(Files.createDirectory(directory.resolve("redis")))) {
            try (Admin admin = brokers.admin()) {
                FedEvents.create(admin, TOPIC);
            }
            Map<String, String> settings = new HashMap<>(redis.configuration());
            settings.putAll(brokers.configuration());
            settings.putAll(Map.of("FEED_TOPIC", TOPIC, "WAL_MIN_FREE_BYTES", "1MiB"));
            try (Killed one = new Killed("one", settings);
                    Killed two = new Killed("two", settings)) {
                sendAndKill(List.of(one, two), brokers);
                for (Killed each : List.of(one, two)) {
                    Client.awaitUntil(() -> each.client.metric("flk_inbox_pending") == 0
                            && each.client.metric("flk_feed_lag_records") == 0
                            && each.client.metric("flk_feed_up") == 1);
                }
                try (FedEvents fed = new FedEvents(Map.of("bootstrap.servers", brokers.addresses()), TOPIC)) {
                    assertFed(fed.all(), Map.ofEntries(one.winners(), two.winners()));
                    System.out.println(fed.all().size() + " events of " + CERTIFICATES + " certificates, " + kills
                            + " kills of backends, every third with one of a broker");
                }
            }
        }
    }

    private void sendAndKill(List<Killed> backends, KafkaBrokers brokers) throws Exception {
        ExecutorService senders = Executors.newFixedThreadPool(SENDERS);
        try {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < SENDERS; i++) {
                all.add(senders.submit(() -> send(backends)));
            }
            for (; all.stream().anyMatch(each -> !each.isDone()); kills++) {
                int from = sent.get();
                int until = from + 500 + random.nextInt(2_000);
                Client.awaitUntil(() -> sent.get() >= Math.min(until, CERTIFICATES));
                if (kills % 3 == 2) {
                    int broker = 1 + random.nextInt(3);
                    brokers.broker(broker).kill();
                    backends.get(random.nextInt(2)).killAndStart();
                    brokers.broker(broker).restart();
                    brokers.awaitJoined();
                } else {
                    backends.get(random.nextInt(2)).killAndStart();
                }
            }
            for (Future<?> each : all) {
                each.get();
            }
        } finally {
            senders.shutdownNow();
        }
    }

    /** Sends certificates until all are answered. */
    private void send(List<Killed> backends) {
        for (int i = sent.incrementAndGet(); i <= CERTIFICATES; i = sent.incrementAndGet()) {
            int first = i % 2;
            Pcs pcs = Pcs.number(i);
            submit(backends.get(first).client, pcs);
            if (i % ONE_TO_BOTH == 0) {
                submit(backends.get(1 - first).client, pcs);
            }
        }
    }

    private static void submit(Client client, Pcs pcs) {
        if (!isAnswered(client, pcs)) {
            Client.awaitUntil(() -> isAnswered(client, pcs));
        }
    }

    private static boolean isAnswered(Client client, Pcs pcs) {
        try {
            return client.submit(pcs).status() == 200;
        } catch (IOException e) {
            return false; // the backend was killed
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private static void assertFed(List<ConsumerRecord<String, String>> events, Map<String, List<Long>> winners) {
        Map<String, List<Long>> fed = new HashMap<>();
        Set<String> ids = new HashSet<>();
        for (ConsumerRecord<String, String> event : events) {
            fed.computeIfAbsent(FedEvents.header(event, "log_id"), unused -> new ArrayList<>())
                    .add(Long.parseLong(FedEvents.header(event, "sequence")));
            ids.add(event.key());
        }
        fed.values().forEach(sequences -> sequences.sort(null));
        assertThat(fed).isEqualTo(winners);
        assertThat(ids).hasSize(CERTIFICATES);
    }
}
