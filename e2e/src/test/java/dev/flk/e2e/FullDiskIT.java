// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.e2e.Client.Answer;
import dev.flk.e2e.Traffic.Sent;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of the log on a disk of a few MiB that fills up and stays full under traffic. {@code -Dflk.fullSeconds=60}
 * keeps the disk full for 60 seconds.
 */
final class FullDiskIT {
    private static final Duration FULL = Duration.ofSeconds(Long.getLong("flk.fullSeconds", 1));
    private static final int PER_SECOND = 100;

    /** The number of refused certificates to submit again. More would fill the disk again. */
    private static final int FITTING = 100;

    @TempDir
    private Path directory;

    /** Checks both ways to notice a full disk: the minimum of free space, and a write that fails. */
    @ParameterizedTest
    @ValueSource(strings = {"8MiB", "1"})
    void diskFull_is503UntilThereIsRoom_withoutARestart(String minFreeBytes) throws Exception {
        SmallDisk disk = SmallDisk.of("16m", Files.createDirectory(directory.resolve("disk")));
        Path kept = directory.resolve("kept");
        List<Sent> all;
        try (BackendProcess backend = start(disk, minFreeBytes)) {
            Client client = new Client(backend.url());
            Path seen = disk.seenFrom(backend.program());
            try (Traffic traffic = new Traffic(backend.url(), 1, PER_SECOND)) {
                staysFull(client, traffic, seen.resolve("ballast"));
                traffic.end();
                all = traffic.sent();
            }
            assertThat(all).extracting(Sent::status).containsOnly(200, 503);
            assertThat(client.metric("flk_accepted")).isEqualTo((double) Traffic.count(all, 200));
            Traffic.resubmit(client, withStatus(all, 200), FullDiskIT::assertSame);
            Traffic.resubmit(client, withStatus(all, 503).subList(0, FITTING), (before, again) -> {
                assertThat(again.status()).isEqualTo(200);
                assertThat(again.has("X-Flk-Duplicate")).isFalse();
            });
            copyLog(seen, Files.createDirectories(kept.resolve("data/wal")));
        }
        try (ServedBackend backend = BackendInJvm.start(kept, Map.of("WAL_MIN_FREE_BYTES", "1MiB"))) {
            Traffic.resubmit(new Client(backend.url()), withStatus(all, 200), FullDiskIT::assertSame);
        }
    }

    /** Fills the disk, checks that every submission is refused while it is full, and makes room again. */
    private static void staysFull(Client client, Traffic traffic, Path ballast) throws Exception {
        Client.awaitUntil(() -> Traffic.count(traffic.answered(), 200) > 0);
        SmallDisk.fillUp(ballast);
        Client.awaitUntil(() -> Traffic.count(traffic.answered(), 503) > 0);
        SmallDisk.fillUp(ballast);
        long fullNanos = System.nanoTime();
        await().atMost(FULL.plus(Client.PATIENCE))
                .until(() -> sentSince(fullNanos, traffic).size() >= FULL.toSeconds() * PER_SECOND);
        Answer refused = client.submit(Pcs.number(0));
        assertThat(refused.status()).isEqualTo(503);
        assertThat(Integer.parseInt(refused.header("Retry-After"))).isPositive();
        Answer ready = client.get("/readyz");
        assertThat(ready.status()).isEqualTo(503);
        assertThat(ready.body()).contains("disk full");
        assertThat(client.metric("flk_wal_errors")).isPositive();
        assertThat(client.get("/health").body()).isEqualTo("OK");
        assertThat(sentSince(fullNanos, traffic)).allSatisfy(one -> {
            assertThat(one.status()).isEqualTo(503);
            assertThat(one.body()).isEqualTo("{\"error\":\"disk full\"}");
        });
        Files.delete(ballast);
        client.awaitReady();
        long readyNanos = System.nanoTime();
        Client.awaitUntil(() -> Traffic.count(sentSince(readyNanos, traffic), 200) > 0);
    }

    private static List<Sent> withStatus(List<Sent> all, int status) {
        return all.stream().filter(one -> one.status() == status).toList();
    }

    private static List<Sent> sentSince(long nanos, Traffic traffic) {
        return traffic.answered().stream()
                .filter(one -> one.sentNanos() - nanos > 0)
                .toList();
    }

    private static void assertSame(Sent before, Answer again) {
        assertThat(again.status()).isEqualTo(200);
        assertThat(again.has("X-Flk-Duplicate")).isTrue();
        assertThat(again.body()).isEqualTo(before.body());
    }

    private BackendProcess start(SmallDisk disk, String minFreeBytes) throws IOException {
        Map<String, String> environment = ServedBackend.environment();
        environment.put("WAL_DIR", disk.directory().toString());
        environment.put("WAL_MIN_FREE_BYTES", minFreeBytes);
        return BackendProcess.of(Program.through(disk.mounting(), "flk-backend", directory, environment));
    }

    private static void copyLog(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.write(to.resolve(file.getFileName().toString()), Files.readAllBytes(file));
            }
        }
    }
}
