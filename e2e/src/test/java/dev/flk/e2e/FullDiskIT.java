// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The log on a disk of a few MiB that fills up, with and without a floor that is met before its end. */
final class FullDiskIT {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    /** Fills a log of a few MiB with few requests; what the certificate does not name is logged with it. */
    private static final String HALF_MEBIBYTE = "\"" + "x".repeat(512 * 1024) + "\"";

    @TempDir
    private Path directory;

    private final Map<Pcs, Answer> acknowledged = new LinkedHashMap<>();
    private long nextEpoch = 1;

    @Test
    void floorIsMet_503UntilThereIsRoom_withoutARestart() throws Exception {
        assertRecoversByItself("16m", "8MiB", 0);
    }

    @Test
    void diskHasNothingLeft_503UntilThereIsRoom_withoutARestart() throws Exception {
        assertRecoversByItself("7m", "1", 1);
    }

    /**
     * @param failedWrites how many the disk itself refuses before the refusal is seen
     */
    private void assertRecoversByItself(String diskSize, String floor, int failedWrites) throws Exception {
        SmallDisk disk = SmallDisk.of(diskSize, Files.createDirectory(directory.resolve("disk")));
        Path kept = directory.resolve("kept");
        try (BackendProcess backend = start(disk, floor)) {
            Client client = new Client(backend.url());
            Path seen = disk.seenFrom(backend.program());
            submitAndAcknowledge(client);
            Path ballast = seen.resolve("ballast");
            Files.write(ballast, new byte[2 << 20]);

            Answer refused = submitUntilRefused(client);

            assertThat(refused.status()).isEqualTo(503);
            assertThat(refused.error()).isEqualTo("disk full");
            assertThat(Integer.parseInt(refused.header("Retry-After"))).isPositive();
            Answer ready = client.get("/readyz");
            assertThat(ready.status()).isEqualTo(503);
            assertThat(ready.body()).contains("disk full");
            assertThat(client.metric("flk_wal_errors")).isEqualTo(failedWrites);
            assertThat(client.get("/health").body()).isEqualTo("OK");
            auditAcknowledged(client);

            Files.delete(ballast);
            await().atMost(PATIENCE).until(() -> client.get("/readyz").status() == 200);
            submitAndAcknowledge(client);
            auditAcknowledged(client);
            copyLog(seen, kept.resolve("data/wal"));
        }
        try (BackendProcess backend = BackendProcess.start(kept, Map.of("WAL_MIN_FREE_BYTES", "1MiB"))) {
            auditAcknowledged(new Client(backend.url()));
        }
    }

    private BackendProcess start(SmallDisk disk, String floor) throws IOException {
        Map<String, String> environment = BackendProcess.environment();
        environment.put("WAL_DIR", disk.directory().toString());
        environment.put("WAL_MIN_FREE_BYTES", floor);
        return BackendProcess.of(Program.behind(disk.mounting(), "flk-backend", directory, environment));
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
            for (Path file : files.toList()) {
                Path copy = to.resolve(file.getFileName().toString());
                Files.write(copy, Files.readAllBytes(file), StandardOpenOption.CREATE_NEW);
            }
        }
    }
}
