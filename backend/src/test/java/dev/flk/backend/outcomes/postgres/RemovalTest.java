// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.outcomes.Sweeper;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.testkit.PostgresServer;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class RemovalTest {
    private static final long NOW_MILLIS = 10_000_000;

    private static final PostgresServer server = PostgresServer.shared();

    private String database;
    private PostgresStore store;
    private PostgresStore other;

    @BeforeEach
    void openStores() {
        database = server.newDatabase();
        store = open("log");
        other = open("other log");
    }

    @AfterEach
    void closeStores() {
        store.close();
        other.close();
    }

    private PostgresStore open(String logId) {
        PostgresStore opened = new PostgresStore(
                PostgresStores.config(server, database, Duration.ofSeconds(10)),
                PoolMetrics.unobserved(Pool.DEDUP),
                logId,
                () -> Instant.ofEpochMilli(NOW_MILLIS),
                System::nanoTime,
                new Random());
        opened.connect().toCompletableFuture().join();
        return opened;
    }

    /** Inserts rows, half of which expired long ago. */
    private void fill(int rows) {
        String values = "sha256(n::text::bytea), %s CASE WHEN n %% 2 = 0 THEN " + (NOW_MILLIS + 1)
                + " ELSE n END FROM generate_series(1, " + rows + ") AS n";
        server.execute(
                database,
                "INSERT INTO flk_outcomes SELECT " + values.formatted("200, 'body', sha256('d'), 's',")
                        + "; INSERT INTO flk_evidence SELECT " + values.formatted("sha256('d'),"));
    }

    private long outcomes() {
        return server.number(database, "SELECT count(*) FROM flk_outcomes");
    }

    private static int removed(PostgresStore by, int most) {
        return by.removeExpired(most).toCompletableFuture().join();
    }

    @Test
    void removeExpired_isBoundedAndKeepsUnexpired() {
        fill(100);
        assertThat(removed(store, 20)).isEqualTo(40);
        assertThat(outcomes()).isEqualTo(80);
        assertThat(removed(store, 1_000)).isEqualTo(60);
        assertThat(removed(store, 1_000)).isZero();
        assertThat(outcomes()).isEqualTo(50);
        assertThat(server.number(database, "SELECT count(*) FROM flk_evidence")).isEqualTo(50);
    }

    @Test
    void removeExpired_expiredJustNow_stays() {
        fill(10);
        server.execute(database, "UPDATE flk_outcomes SET expires_at_millis = " + NOW_MILLIS);
        removed(store, 1_000);
        assertThat(outcomes()).isEqualTo(10);
    }

    @Test
    void removeExpired_lockedRows_areSkipped() throws SQLException {
        fill(100);
        try (Connection connection = server.connect(database);
                Statement statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            statement.execute("SELECT 1 FROM flk_outcomes WHERE expires_at_millis <= 20 FOR UPDATE");
            removed(store, 1_000);
            assertThat(outcomes()).isEqualTo(60);
            connection.rollback();
        }
        removed(store, 1_000);
        assertThat(outcomes()).isEqualTo(50);
    }

    @Test
    void removeExpired_twoBackendsAtOnce_removeEachRowOnce() {
        fill(20_000);
        var first = CompletableFuture.supplyAsync(() -> removedInBatches(store));
        var second = CompletableFuture.supplyAsync(() -> removedInBatches(other));
        int removed = first.join() + second.join();
        assertThat(removed + removed(store, 20_000)).isEqualTo(20_000);
        assertThat(outcomes()).isEqualTo(10_000);
    }

    private static int removedInBatches(PostgresStore by) {
        int all = 0;
        for (int removed = 1; removed > 0; all += removed) {
            removed = removed(by, 500);
        }
        return all;
    }

    @Test
    void sweeper_removesAllExpired() {
        fill(2_000);
        try (Sweeper sweeper = Sweeper.start(store::removeStretch)) {
            assertThat(sweeper).isNotNull();
            await().atMost(PostgresServer.PATIENCE).until(() -> outcomes() == 1_000);
        }
    }
}
