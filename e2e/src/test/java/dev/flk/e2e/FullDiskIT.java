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
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of the log on a disk of a few MiB that fills up and stays full under traffic, with and without reaching the
 * minimum of free space first. {@code -Dflk.fullSeconds=60} keeps the disk full for 60 seconds.
 */
final class FullDiskIT {
    private static final Duration FULL = Duration.ofSeconds(Long.getLong("flk.fullSeconds", 1));
    private static final int PER_SECOND = 100;
    private static final long FIRST_OF_TRAFFIC = 1_000_000;
    private static final int MEBIBYTE = 1 << 20;

    /** The number of refused certificates to submit again. More would fill the disk again. */
    private static final int FITTING = 100;

    /** The value of an unknown field. It is logged with the certificate, so a few requests fill the disk. */
    private static final String HALF_MEBIBYTE = "\"" + "x".repeat(512 * 1024) + "\"";

    @TempDir
    private Path directory;

    private final Map<Pcs, Answer> acknowledged = new LinkedHashMap<>();
    private long nextEpoch = 1;

    @Test
    void diskFloorReached_is503UntilThereIsRoom_withoutARestart() throws Exception {
        assertRecoversByItself("16m", "8MiB");
    }

    @Test
    void diskFull_is503UntilThereIsRoom_withoutARestart() throws Exception {
        assertRecoversByItself("7m", "1");
    }

    private void assertRecoversByItself(String diskSize, String floor) throws Exception {
        SmallDisk disk = SmallDisk.of(diskSize, Files.createDirectory(directory.resolve("disk")));
        Path kept = directory.resolve("kept");
        try (BackendProcess backend = start(disk, floor)) {
            Client client = new Client(backend.url());
            Path seen = disk.seenFrom(backend.program());
            submitAndAcknowledge(client);
            Path ballast = seen.resolve("ballast");
            Files.write(ballast, new byte[2 * MEBIBYTE]);

            Answer refused = submitUntilRefused(client);

            assertThat(refused.status()).isEqualTo(503);
            assertThat(refused.error()).isEqualTo("disk full");
            assertThat(Integer.parseInt(refused.header("Retry-After"))).isPositive();
            Answer ready = client.get("/readyz");
            assertThat(ready.status()).isEqualTo(503);
            assertThat(ready.body()).contains("disk full");
            assertThat(client.metric("flk_wal_errors")).isEqualTo(1);
            assertThat(client.get("/health").body()).isEqualTo("OK");
            auditAcknowledged(client);

            staysFullUnderTraffic(backend, ballast);
            submitAndAcknowledge(client);
            auditAcknowledged(client);
            copyLog(seen, kept.resolve("data/wal"));
        }
        try (ServedBackend backend = BackendInJvm.start(kept, Map.of("WAL_MIN_FREE_BYTES", "1MiB"))) {
            auditAcknowledged(new Client(backend.url()));
        }
    }

    /**
     * Checks that every submission is refused while the disk is full and accepted when there is free space again, that
     * refused certificates can be submitted again, and that no certificate is decided twice.
     */
    private void staysFullUnderTraffic(BackendProcess backend, Path ballast) throws Exception {
        Client client = new Client(backend.url());
        List<Sent> during;
        List<Sent> all;
        try (Traffic traffic = new Traffic(backend.url(), FIRST_OF_TRAFFIC, PER_SECOND)) {
            SmallDisk.fillUp(ballast);
            Client.awaitUntil(() -> Traffic.count(traffic.answered(), 503) > 0);
            SmallDisk.fillUp(ballast);
            long fullNanos = System.nanoTime();
            await().atMost(FULL.plus(Client.PATIENCE))
                    .until(() -> sentSince(fullNanos, traffic).size() >= FULL.toSeconds() * PER_SECOND);
            assertThat(client.get("/readyz").body()).contains("disk full");
            during = sentSince(fullNanos, traffic);
            Files.delete(ballast);
            client.awaitReady();
            long readyNanos = System.nanoTime();
            Client.awaitUntil(() -> Traffic.count(sentSince(readyNanos, traffic), 200) > 0);
            traffic.end();
            all = traffic.sent();
        }
        assertThat(during).allSatisfy(one -> {
            assertThat(one.status()).isEqualTo(503);
            assertThat(one.body()).isEqualTo("{\"error\":\"disk full\"}");
        });
        assertThat(all).allSatisfy(one -> assertThat(one.status()).isIn(200, 503));
        System.out.printf(
                "%d answers while the disk was full, the slowest after %d ms; %.0f errors of the log%n",
                during.size(),
                during.stream().mapToLong(Sent::millis).max().orElse(0),
                client.metric("flk_wal_errors"));
        assertThat(client.metric("flk_accepted")).isEqualTo((double) acknowledged.size() + Traffic.count(all, 200));
        Traffic.resubmit(client, withStatus(all, 200, all.size()), this::acknowledgeAgain);
        Traffic.resubmit(client, withStatus(all, 503, FITTING), this::acknowledgeAgain);
        assertThat(client.metric("flk_accepted")).isEqualTo(acknowledged.size());
    }

    private static List<Sent> withStatus(List<Sent> all, int status, int most) {
        return all.stream().filter(one -> one.status() == status).limit(most).toList();
    }

    private static List<Sent> sentSince(long nanos, Traffic traffic) {
        return traffic.answered().stream()
                .filter(one -> one.sentNanos() - nanos > 0)
                .toList();
    }

    private void acknowledgeAgain(Sent before, Answer again) {
        assertThat(again.status()).isEqualTo(200);
        assertThat(again.has("X-Flk-Duplicate")).isEqualTo(before.status() == 200);
        if (before.status() == 200) {
            assertThat(again.body()).isEqualTo(before.body());
        }
        acknowledged.put(before.pcs(), again);
    }

    private BackendProcess start(SmallDisk disk, String floor) throws IOException {
        Map<String, String> environment = ServedBackend.environment();
        environment.put("WAL_DIR", disk.directory().toString());
        environment.put("WAL_MIN_FREE_BYTES", floor);
        return BackendProcess.of(Program.through(disk.mounting(), "flk-backend", directory, environment));
    }

    private void submitAndAcknowledge(Client client) throws Exception {
        Pcs pcs = Pcs.number(nextEpoch++);
        Answer answer = client.submit(pcs);
        assertThat(answer.status()).as(answer.body()).isEqualTo(200);
        acknowledged.put(pcs, answer);
    }

    private Answer submitUntilRefused(Client client) throws Exception {
        for (int i = 0; i < 100; i++) {
            Pcs pcs = Pcs.number(nextEpoch++).with("padding", HALF_MEBIBYTE);
            Answer answer = client.submit(pcs);
            if (answer.status() != 200) {
                return answer;
            }
            acknowledged.put(pcs, answer);
        }
        throw new AssertionError("the disk does not fill up");
    }

    private void auditAcknowledged(Client client) throws Exception {
        for (Map.Entry<Pcs, Answer> one : acknowledged.entrySet()) {
            Answer again = client.get("/v1/pcs/" + one.getKey().id());
            assertThat(again.status()).isEqualTo(200);
            assertThat(again.body()).isEqualTo(one.getValue().body());
        }
    }

    private static void copyLog(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Path copy = to.resolve(file.getFileName().toString());
                Files.write(copy, Files.readAllBytes(file), StandardOpenOption.CREATE_NEW);
            }
        }
    }
}
