// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of {@code OPS_PORT}: metrics and probes have a separate port, which answers regardless of the load on the main
 * port.
 */
final class OpsPortIT {
    private static final int MAX_CONNECTIONS = 20;

    @TempDir
    private Path directory;

    @Test
    void eachPort_servesItsOwnPaths() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("OPS_PORT", "0"))) {
            Client agents = new Client(backend.url());
            Client operators = new Client(backend.opsUrl());
            assertThat(backend.allLines()).contains("metrics and probes on 127.0.0.1 port ");

            assertThat(agents.submit(Pcs.number(1)).status()).isEqualTo(200);
            assertThat(agents.get("/v1/pcs/" + Pcs.number(1).id()).status()).isEqualTo(200);
            assertThat(agents.get("/health").body()).isEqualTo("OK");
            assertThat(agents.get("/metrics").status()).isEqualTo(404);
            assertThat(agents.get("/readyz").status()).isEqualTo(404);
            assertThat(agents.get("/ui").status()).isEqualTo(404);

            assertThat(operators.get("/health").body()).isEqualTo("OK");
            assertThat(operators.get("/readyz").status()).isEqualTo(200);
            assertThat(operators.metric("flk_accepted")).isEqualTo(1);
            assertThat(operators.get("/ui").body()).contains("What is wrong");
            assertThat(operators.get("/ui/page.css").status()).isEqualTo(200);
            assertThat(backend.allLines()).contains("the page for operators is at " + backend.opsUrl() + "/ui");
            assertThat(operators.submit(Pcs.number(2)).status()).isEqualTo(404);
            assertThat(operators.batch(Pcs.number(2).json()).status()).isEqualTo(404);
            assertThat(operators.get("/v1/pcs/" + Pcs.number(1).id()).status()).isEqualTo(404);
        }
    }

    @Test
    void publicPortFull_scrapesAndProbesAreAnswered() throws Exception {
        List<RawConnection> crowd = new ArrayList<>();
        try (ServedBackend backend = BackendInJvm.start(
                directory,
                Map.of(
                        "OPS_PORT",
                        "0",
                        "MAX_CONNECTIONS",
                        Integer.toString(MAX_CONNECTIONS),
                        "MAX_CONNECTIONS_PER_ADDRESS",
                        Integer.toString(2 * MAX_CONNECTIONS),
                        "IDLE_TIMEOUT",
                        "1h"))) {
            Client operators = new Client(backend.opsUrl());
            for (int i = 0; i < MAX_CONNECTIONS; i++) {
                crowd.add(new RawConnection(backend.port()));
            }
            Client.awaitUntil(() -> operators.metric("flk_http_connections") == MAX_CONNECTIONS);
            assertThat(new Client(backend.url()).get("/health").status()).isEqualTo(200); // replaces one of the crowd
            for (int i = 1; i <= 10; i++) {
                Client probe = new Client(backend.opsUrl());
                assertThat(probe.get("/health").status()).isEqualTo(200);
                assertThat(probe.get("/readyz").status()).isEqualTo(200);
            }
            assertThat(operators.metric("flk_http_connections_refused_total")).isEqualTo(1);
        } finally {
            for (RawConnection one : crowd) {
                one.close();
            }
        }
    }

    @Test
    void opsPortFull_operatorsAndThePublicPortAreServed() throws Exception {
        List<RawConnection> crowd = new ArrayList<>();
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("OPS_PORT", "0"))) {
            for (int i = 0; i < 65; i++) {
                crowd.add(new RawConnection(backend.opsPort()));
            }
            assertThat(crowd.get(0).isEnded()).isTrue();
            backend.awaitLine(line -> line.contains(
                    "too many connections to OPS_PORT: a new one, or the oldest without a login, was closed; the"
                            + " limit is 64"));
            assertThat(new Client(backend.opsUrl()).get("/metrics").status()).isEqualTo(200);
            assertThat(new Client(backend.url()).submit(Pcs.number(1)).status()).isEqualTo(200);
        } finally {
            for (RawConnection one : crowd) {
                one.close();
            }
        }
    }
}
