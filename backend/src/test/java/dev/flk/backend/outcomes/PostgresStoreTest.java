// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.outcomes.postgres.PostgresStore;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.testkit.PostgresServer;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

final class PostgresStoreTest extends SharedStoreContract {
    private static final List<String> TABLES = List.of("flk_outcomes", "flk_positions", "flk_evidence");

    private static final PostgresServer server = PostgresServer.shared();

    private final Random random = new Random(1);
    private String database;

    @Override
    DedupStore openFor(String logId) {
        if (database == null) {
            database = server.newDatabase();
        }
        return new PostgresStore(
                PostgresStores.config(server, database, Duration.ofSeconds(10)),
                PoolMetrics.unobserved(Pool.DEDUP),
                logId,
                this::now,
                System::nanoTime,
                random);
    }

    @Override
    void loseEverything() {
        TABLES.forEach(table -> server.execute(database, "TRUNCATE " + table));
    }

    @Override
    Runnable snapshot() {
        TABLES.forEach(table -> server.execute(database, "CREATE TABLE copy_%1$s AS TABLE %1$s".formatted(table)));
        return () -> TABLES.forEach(table -> server.execute(
                database, "BEGIN; TRUNCATE %1$s; INSERT INTO %1$s TABLE copy_%1$s; COMMIT".formatted(table)));
    }

    @Test
    void schemaDropped_putFailsAndTheNextConnectCreatesItAgain() {
        put(41, recorded(1, "first"));
        server.execute(database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        assertThatThrownBy(() -> put(42, recorded(2, "second")))
                .hasCauseInstanceOf(StoreUnavailableException.class)
                .hasMessageContaining("tables are missing");
        assertThat(connect()).isEmpty();
        assertThat(put(1, recorded(2, "second"))).containsExactly(recorded(2, "second"));
    }

    @Test
    void moreReadsThanCanWait_areRefused() throws Exception {
        try (var connection = server.connect(database);
                var statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            statement.execute("LOCK TABLE flk_outcomes");
            CompletableFuture<?>[] reads = new CompletableFuture<?>[1_200];
            for (int i = 0; i < reads.length; i++) {
                reads[i] = store.get(List.of(id(i))).toCompletableFuture();
            }
            assertThat(reads[reads.length - 1]).isCompletedExceptionally();
            assertThatThrownBy(() -> reads[reads.length - 1].join()).hasMessageContaining("too many reads are waiting");
            assertThat(((PostgresStore) store).waiting()).isBetween(1_000, 1_003);
            await().atMost(PostgresServer.PATIENCE).until(() -> ((PostgresStore) store).activeConnections() == 3);
            connection.rollback();
            assertThat(reads[0].join()).isEqualTo(List.of(Optional.empty()));
        }
    }
}
