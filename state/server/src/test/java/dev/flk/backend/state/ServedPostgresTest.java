// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static dev.flk.program.metrics.ScrapedText.sample;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import dev.flk.state.Committed;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine.Settings;
import dev.flk.state.StateKey;
import dev.flk.testkit.PostgresServer;
import io.grpc.ManagedChannel;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyChannelBuilder;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
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

    /** Another session locks the row of the head for longer than the engine waits before it reports this. */
    @Test
    @Tag("thorough")
    void commitThatDoesNotComplete_isReportedByReadinessAndHealth_untilItCompletes() throws Exception {
        PostgresServer server = PostgresServer.shared();
        String database = server.newDatabase();
        Metrics metrics = new Metrics("test");
        try (ServedState served = ServedState.open(
                config(directory.resolve("known"), database),
                InstantSource.system(),
                InstantSource.system(),
                null,
                Audit.none(),
                new StateMetrics(metrics),
                new PoolMetrics(metrics))) {
            ManagedChannel channel = NettyChannelBuilder.forAddress("127.0.0.1", served.port())
                    .usePlaintext()
                    .build();
            try (Connection other = server.connect(database);
                    Statement statement = other.createStatement()) {
                await().atMost(PostgresServer.PATIENCE).until(() -> health(channel) == ServingStatus.SERVING);
                other.setAutoCommit(false);
                statement.execute("SELECT revision FROM flk_state FOR UPDATE");
                Operation write = served.engine().write(new StateKey("default", "a", "k"), "1", Operation.ANY_VERSION);
                CompletableFuture<Committed> commit =
                        served.engine().apply("me", List.of(write), "").toCompletableFuture();

                await().atMost(PostgresServer.PATIENCE).until(() -> health(channel) == ServingStatus.NOT_SERVING);
                assertThat(served.detail()).isEqualTo("STORE_DOWN: WRITER_BLOCKED");
                assertThat(sample(metrics, "flk_state_up")).isZero();

                other.rollback();
                assertThat(commit.get(30, TimeUnit.SECONDS).revision()).isEqualTo(1);
                await().atMost(PostgresServer.PATIENCE).until(() -> health(channel) == ServingStatus.SERVING);
                assertThat(served.detail()).isEqualTo("up");
            } finally {
                channel.shutdownNow();
            }
        }
    }

    private static ServingStatus health(ManagedChannel channel) {
        return HealthGrpc.newBlockingStub(channel)
                .withDeadlineAfter(10, TimeUnit.SECONDS)
                .check(HealthCheckRequest.getDefaultInstance())
                .getStatus();
    }

    private static StateConfig config(Path known) {
        return config(known, PostgresServer.shared().newDatabase());
    }

    private static StateConfig config(Path known, String database) {
        PostgresServer server = PostgresServer.shared();
        return new StateConfig(
                0,
                "127.0.0.1",
                Optional.empty(),
                Settings.defaults(),
                8 << 20,
                Optional.empty(),
                Optional.of(PostgresStores.config(server, database, 3, Duration.ofSeconds(10))),
                Optional.of(known),
                Optional.empty());
    }
}
