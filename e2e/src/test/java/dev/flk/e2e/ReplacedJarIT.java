// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Somebody copies a new jar over that of a running backend: it still ends when it is told to, and lets its log go. */
final class ReplacedJarIT {
    @TempDir
    private Path directory;

    @Test
    void jarIsOverwritten_sigtermStillEndsIt() throws Exception {
        Path jar = Files.copy(Built.jar("flk-backend"), directory.resolve("flk-backend.jar"));
        Map<String, String> environment = BackendProcess.environment();
        try (BackendProcess backend = BackendProcess.of(Program.java(jar, directory, environment))) {
            assertThat(new Client(backend.url()).submit(Pcs.number(1)).status()).isEqualTo(200);
            Files.write(jar, new byte[(int) Files.size(jar)]);

            assertThat(backend.program().terminate())
                    .as(backend.program().allLines())
                    .isEqualTo(143);
        }
        try (BackendProcess again = BackendProcess.start(directory)) {
            assertThat(new Client(again.url())
                            .get("/v1/pcs/" + Pcs.number(1).id())
                            .status())
                    .isEqualTo(200);
        }
    }
}
