// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the agent's outbox on a disk that another program fills while certificates arrive and are sent. */
@Tag("thorough")
final class AgentFullDiskIT {
    private static final int FIRST = 400;
    private static final int LATER = 100;

    @TempDir
    private Path directory;

    @Test
    void diskFull_pendingIsSent_newFilesWait_andIntakeResumes() throws Exception {
        AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        SmallDisk disk = SmallDisk.of("12m", Files.createDirectory(directory.resolve("disk")));
        // slow enough that the disk fills up while the agent is sending
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("TOKEN_RATE", "100", "TOKEN_BURST", "20"));
                Program agent = agent(home, disk, backend)) {
            Client client = new Client(backend.url());
            home.spool("first", certificates(0, FIRST));
            Client.awaitUntil(home::spoolIsEmpty);
            Path ballast = disk.seenFrom(agent).resolve("ballast");
            SmallDisk.fillUp(ballast);
            home.spool("later", certificates(FIRST, LATER));
            agent.awaitLine(line -> line.contains("OUTBOX_MIN_FREE_BYTES"));
            assertThat(home.spoolIsEmpty()).as("it waits where it is").isFalse();
            Client.awaitUntil(() -> client.metric("flk_accepted") == FIRST);
            Files.delete(ballast);
            Client.awaitUntil(home::spoolIsEmpty);
            Client.awaitUntil(() -> client.metric("flk_accepted") == FIRST + LATER);
            assertThat(Files.readString(disk.seenFrom(agent).resolve("dlq.jsonl")))
                    .isEmpty();
            assertThat(agent.terminate()).isEqualTo(143);
        }
    }

    private Program agent(AgentHome home, SmallDisk disk, ServedBackend backend) throws IOException {
        Map<String, String> environment = home.sendingTo(backend.url());
        environment.put("OUTBOX_PATH", disk.directory().resolve("outbox").toString());
        environment.put("DLQ_PATH", disk.directory().resolve("dlq.jsonl").toString());
        environment.put("OUTBOX_MIN_FREE_BYTES", "2MiB");
        environment.put("BATCH_SIZE", "10");
        return Program.through(disk.mounting(), "flk-agent", directory, environment, "run");
    }

    private static List<Pcs> certificates(long first, int count) {
        return LongStream.range(first, first + count).mapToObj(Pcs::number).toList();
    }
}
