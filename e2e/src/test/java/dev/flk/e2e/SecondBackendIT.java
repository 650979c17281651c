// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that when the lock file of a running backend was deleted and a second backend starts on its log, the first
 * refuses submissions, reports the reason and exits.
 */
final class SecondBackendIT {
    private static final Map<String, String> IN_MEMORY = Map.of("DEDUP_BACKEND", "memory");

    @TempDir
    private Path directory;

    private Path wal() {
        return directory.resolve("data/wal");
    }

    @Test
    void lockRemoved_firstBackendGivesUp_noAnswerIsForgotten() throws Exception {
        List<Pcs> answered = new ArrayList<>();
        try (BackendProcess first = BackendProcess.start(directory, IN_MEMORY)) {
            submitAnswered(first, answered, 1);
            Files.delete(wal().resolve("lock"));
            try (ServedBackend second = BackendInJvm.start(directory, IN_MEMORY)) {
                submitAnswered(second, answered, 2);
                assertGivesUp(first, "data/wal/lock or its directory was removed or replaced");
                submitAnswered(second, answered, 3);
                assertAllKnown(second, answered);
            }
        }
        try (ServedBackend next = BackendInJvm.start(directory, IN_MEMORY)) {
            assertAllKnown(next, answered);
        }
    }

    private static void submitAnswered(ServedBackend backend, List<Pcs> answered, long epoch) throws Exception {
        Pcs pcs = Pcs.number(epoch);
        assertThat(new Client(backend.url()).submit(pcs).status()).isEqualTo(200);
        answered.add(pcs);
    }

    private static void assertAllKnown(ServedBackend backend, List<Pcs> answered) throws Exception {
        Client client = new Client(backend.url());
        for (Pcs pcs : answered) {
            assertThat(client.get("/v1/pcs/" + pcs.id()).status()).isEqualTo(200);
        }
    }

    private static void assertGivesUp(BackendProcess backend, String why) throws IOException, InterruptedException {
        Client client = new Client(backend.url());
        backend.program().awaitLine(line -> line.contains("ERROR") && line.contains(why));
        assertThat(client.submit(Pcs.number(99)).status()).isEqualTo(500);
        Answer ready = client.get("/readyz");
        assertThat(ready.status()).isEqualTo(503);
        assertThat(ready.body()).contains(why);
        assertThat(backend.program().awaitExit()).isEqualTo(1);
    }
}
