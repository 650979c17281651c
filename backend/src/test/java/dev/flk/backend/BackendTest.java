// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.config.BackendConfig;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class BackendTest {
    @TempDir
    private Path directory;

    @Test
    void started_isNotReadyUntilItServes() throws Exception {
        Map<String, String> settings = Map.of(
                "PORT", "0",
                "BIND_ADDR", "127.0.0.1",
                "DEDUP_BACKEND", "memory",
                "PCS_SIGN_ALG", "none",
                "STATE_PORT", "0",
                "STATE_DIR", directory.resolve("state").toString(),
                "WAL_DIR", directory.resolve("wal").toString());
        try (Backend backend =
                Backend.start(BackendConfig.load(settings, null), "test", () -> BackendConfig.load(settings, null))) {
            assertThat(readiness(backend)).isEqualTo(503);
            backend.serve();
            assertThat(readiness(backend)).isEqualTo(200);
        }
    }

    private static int readiness(Backend backend) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + backend.port() + "/readyz"))
                .build();
        return HttpClient.newHttpClient()
                .send(request, BodyHandlers.discarding())
                .statusCode();
    }
}
