// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests that nobody sees anything of the certificates that a start decides to warm up. */
final class WarmUpIT {
    @TempDir
    private Path directory;

    @Test
    void warmUp_leavesNothingBehind() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("WARM_UP", "on", "LOG_LEVEL", "DEBUG"))) {
            Client client = new Client(backend.url());
            backend.awaitLine(line -> line.contains("the warm-up ended"));

            assertThat(backend.allLines()).doesNotContain("PCS ");
            for (String metric :
                    List.of("flk_ingest_total", "flk_accepted", "flk_signature_errors", "flk_dedup_hits")) {
                assertThat(client.metric(metric)).as(metric).isZero();
            }
            assertThat(client.metric("flk_http_connections"))
                    .as("its connections")
                    .isEqualTo(1);
            assertThat(client.get("/v1/outcomes").body()).doesNotContain("warm-up");
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            Client.Answer first = client.get("/v1/pcs/" + Pcs.number(1).id());
            assertThat(first.status()).isEqualTo(200);
        }
    }
}
