// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static dev.flk.backend.metrics.ScrapedText.sample;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.audit.Audit;
import dev.flk.backend.dedup.PostgresStores;
import dev.flk.backend.metrics.Metrics;
import dev.flk.backend.postgres.PoolMetrics;
import dev.flk.backend.testing.PostgresServer;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine.Settings;
import dev.flk.state.StateKey;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the metrics and files that the backend maintains for a state in Postgres. */
class ServedPostgresTest {
    @TempDir
    Path directory;

    @Test
    void stateInPostgres_measuresItsConnectionsAndRemembersCommits() throws Exception {
        Path known = directory.resolve("state").resolve("known");
        Metrics metrics = new Metrics("test");
        try (ServedState served = ServedState.open(
                config(known),
                InstantSource.system(),
                InstantSource.system(),
                null,
                Audit.none(),
                new StateMetrics(metrics),
                new PoolMetrics(metrics))) {
            await().atMost(PostgresServer.PATIENCE).until(() -> served.problem().isEmpty());
            Operation write = served.engine().write(new StateKey("default", "a", "k"), "1", Operation.ANY_VERSION);
            served.engine()
                    .apply("me", List.of(write), "")
                    .toCompletableFuture()
                    .join();

            assertThat(known).content().startsWith("flk-known-1 ").contains(" 1 ");
            assertThat(sample(metrics, "flk_postgres_pool_max_connections{pool=\"state\",}"))
                    .isEqualTo(3);
            await().atMost(PostgresServer.PATIENCE)
                    .until(() -> sample(metrics, "flk_postgres_pool_idle_connections{pool=\"state\",}") == 3);
            assertThat(sample(metrics, "flk_postgres_pool_waiting{pool=\"state\",}"))
                    .isZero();
            assertThat(sample(metrics, "flk_postgres_pool_acquire_seconds_count{pool=\"state\",}"))
                    .isPositive();
            for (String kind : List.of("select", "insert", "update", "commit")) {
                assertThat(sample(
                                metrics, "flk_postgres_statement_seconds_count{pool=\"state\",kind=\"" + kind + "\",}"))
                        .as(kind)
                        .isPositive();
            }
        }
    }

    private static StateConfig config(Path known) {
        PostgresServer server = PostgresServer.shared();
        return new StateConfig(
                0,
                "127.0.0.1",
                Optional.empty(),
                Settings.defaults(),
                8 << 20,
                Optional.empty(),
                Optional.of(PostgresStores.config(server, server.newDatabase(), 3, Duration.ofSeconds(10))),
                Optional.of(known),
                Optional.empty(),
                false,
                Duration.ofDays(90),
                Duration.ofDays(1));
    }
}
