// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A backend that is told to end does so, whatever stands in the way, and what was answered is there afterwards. */
final class StoppingIT {
    @TempDir
    private Path directory;

    @Test
    void jarWasOverwritten() throws Exception {
        Path jar = Files.copy(Built.jar("flk-backend"), directory.resolve("flk-backend.jar"));
        Map<String, String> environment = BackendProcess.environment();
        try (BackendProcess backend = BackendProcess.of(Program.java(jar, directory, environment));
                Traffic traffic = new Traffic(backend.url(), 1, 500)) {
            Client.awaitUntil(() -> Traffic.count(traffic.answered(), 200) >= 1_000);
            Files.write(jar, new byte[(int) Files.size(jar)]);

            assertThat(backend.program().terminate())
                    .as(backend.program().allLines())
                    .isEqualTo(143);
        }
        assertIsThere(Pcs.number(1));
    }

    private void assertIsThere(Pcs pcs) throws Exception {
        try (BackendProcess again = BackendProcess.start(directory)) {
            assertThat(new Client(again.url()).get("/v1/pcs/" + pcs.id()).status())
                    .isEqualTo(200);
        }
    }
}
