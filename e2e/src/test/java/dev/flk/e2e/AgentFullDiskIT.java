// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The agent's outbox on a disk that somebody else fills to its last byte, while certificates come in and go out. */
final class AgentFullDiskIT {
    private static final int FIRST = 400;
    private static final int LATER = 100;

    @TempDir
    private Path directory;

    private Path spool;

    @BeforeEach
    void makeSpool() throws IOException {
        spool = Files.createDirectory(directory.resolve("spool"));
    }

    @Test
    void diskFull_whatIsThereIsSent_whatComesWaits_andGoesOnByItself() throws Exception {
        SmallDisk disk = SmallDisk.of("12m", Files.createDirectory(directory.resolve("disk")));
        // slow enough that the disk is full while it sends
        try (BackendProcess backend =
                        BackendProcess.start(directory, Map.of("TOKEN_RATE", "100", "TOKEN_BURST", "20"));
                Program agent = agent(disk, backend)) {
            Client client = new Client(backend.url());
            spool("first", 0, FIRST);
            Client.awaitUntil(() -> isEmpty(spool));
            Path ballast = disk.seenFrom(agent).resolve("ballast");
            fill(ballast);

            spool("later", FIRST, LATER);
            agent.awaitLine(line -> line.contains("OUTBOX_MIN_FREE_BYTES"));
            assertThat(isEmpty(spool)).as("it waits where it is").isFalse();
            Client.awaitUntil(() -> client.metric("flk_accepted") == FIRST);

            Files.delete(ballast);
            Client.awaitUntil(() -> isEmpty(spool));
            Client.awaitUntil(() -> client.metric("flk_accepted") == FIRST + LATER);
            assertThat(Files.readString(disk.seenFrom(agent).resolve("dlq.jsonl")))
                    .isEmpty();
            assertThat(agent.terminate()).isEqualTo(143);
        }
    }

    private Program agent(SmallDisk disk, BackendProcess backend) throws IOException {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("ENDPOINT", backend.url());
        environment.put("PCS_SIGN_ALG", "hmac");
        environment.put("PCS_HMAC_KEY", Pcs.KEY);
        environment.put("OUTBOX_PATH", disk.directory().resolve("outbox").toString());
        environment.put("DLQ_PATH", disk.directory().resolve("dlq.jsonl").toString());
        environment.put("OUTBOX_MIN_FREE_BYTES", "2MiB");
        environment.put("SPOOL_DIR", spool.toString());
        environment.put("BATCH_SIZE", "10");
        environment.put("BASE_DELAY", "20ms");
        environment.put("MAX_DELAY", "500ms");
        return Program.behind(disk.mounting(), "flk-agent", directory, environment, "run");
    }

    private void spool(String name, long firstEpoch, int count) throws IOException {
        Path part = directory.resolve("part");
        Files.writeString(
                part,
                LongStream.range(firstEpoch, firstEpoch + count)
                        .mapToObj(epoch -> Pcs.number(epoch).without("sig").json())
                        .collect(Collectors.joining("\n", "", "\n")));
        Files.move(part, spool.resolve(name + ".ndjson"));
    }

    private static boolean isEmpty(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.findAny().isEmpty();
        }
    }

    /** To the last byte. */
    private static void fill(Path ballast) throws IOException {
        byte[] block = new byte[4096];
        try (OutputStream out = Files.newOutputStream(ballast, StandardOpenOption.CREATE_NEW)) {
            for (int i = 0; i < 1 << 16; i++) {
                out.write(block);
            }
        } catch (IOException e) {
            return; // full
        }
        throw new AssertionError("the disk is not small");
    }
}
