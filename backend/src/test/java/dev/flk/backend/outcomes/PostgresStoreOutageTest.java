// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static dev.flk.backend.outcomes.DedupStoreContract.id;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.postgres.PostgresStore;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.ServerProcess;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests of the store during failures of a real server. */
final class PostgresStoreOutageTest extends OutageContract {

    private static PostgresServer server;

    private String database;

    @BeforeAll
    static void startServer() {
        server = PostgresServer.start("max_connections=12", "deadlock_timeout=100ms");
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @BeforeEach
    void newDatabase() {
        database = server.newDatabase();
    }

    @AfterEach
    void restoreServer() {
        server.resume();
        server.startUnlessUp();
    }

    @Override
    ServerProcess durableServer() {
        return server;
    }

    @Override
    DedupStore open(ServerProcess on, Duration timeout) {
        return open(timeout);
    }

    @Override
    String refused() {
        return "can't be reached";
    }

    /** The message depends on whether a call uses an open connection or a new one. */
    @Override
    String timedOut() {
        return "within DEDUP_TIMEOUT \\(700 ms\\)|could be opened in time|does not answer a login in time"
                + "|Connection attempt timed out";
    }

    private DedupStore open(Duration timeout) {
        return open(PostgresStores.config(server, database, timeout));
    }

    private DedupStore open(PostgresConfig config) {
        DedupStore store = new PostgresStore(
                config,
                PoolMetrics.unobserved(Pool.DEDUP),
                SharedStoreContract.LOG_ID,
                () -> Instant.ofEpochMilli(1_000_000),
                System::nanoTime,
                new Random());
        opened.add(store);
        return store;
    }

    private Connection session() throws SQLException {
        Connection connection = server.connect(database);
        opened.add(connection);
        connection.setAutoCommit(false);
        return connection;
    }

    private static void run(Connection connection, String sql) throws SQLException {
        try (var statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static CompletableFuture<List<StoredOutcome>> begin(
            DedupStore store, long completeUpTo, StoredOutcome... decisions) {
        return store.putIfAbsent(List.of(decisions), completeUpTo).toCompletableFuture();
    }

    /** Waits until {@code number} sessions are waiting for a lock. */
    private void awaitWaiting(int number) {
        await().atMost(PostgresServer.PATIENCE)
                .until(() -> server.number(
                                database,
                                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                                        + "AND wait_event_type = 'Lock'")
                        == number);
    }

    @Test
    void wrongPassword_saysSoAndShowsNeitherUserNorPassword() {
        DedupStore store = open(PostgresStores.config(server, database, IMPATIENT, "postgres", "wr0ng"));
        assertThat(failureOf(store.connect()))
                .contains("the login is refused", "POSTGRES_CONN")
                .doesNotContain("wr0ng", "\"postgres\"");
    }

    @Test
    void missingDatabase_saysSo() {
        DedupStore store = open(PostgresStores.config(server, "nowhere", IMPATIENT));
        assertThat(failureOf(store.connect())).contains("/nowhere: there is no such database");
    }

    @Test
    void tlsNotSupportedByTheServer_saysSo() {
        DedupStore store = open(PostgresStores.config(server, database + "?sslmode=require", IMPATIENT));
        assertThat(failureOf(store.connect())).contains("SSL");
    }

    @Test
    void missingRight_saysWhich() {
        server.execute(
                database, "CREATE ROLE guest LOGIN PASSWORD 'guest'; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
        DedupStore store = open(PostgresStores.config(server, database, IMPATIENT, "guest", "guest"));
        assertThat(failureOf(store.connect()))
                .contains("a privilege is missing", "schema public")
                .doesNotContain("guest");
        server.execute(database, "GRANT CREATE ON SCHEMA public TO guest");
        assertThat(now(store.connect())).isEmpty();
        assertThat(put(store, 1, recorded(1, "first"))).containsExactly(recorded(1, "first"));
    }

    @Test
    void connectionsExhausted_isATemporaryOutage() throws SQLException {
        List<Connection> others = new ArrayList<>();
        try {
            for (int i = 0; i < 12; i++) {
                others.add(session());
            }
        } catch (SQLException full) {
            assertThat(full.getSQLState()).isEqualTo("53300");
        }
        DedupStore store = open(IMPATIENT);
        await().atMost(PostgresServer.PATIENCE)
                .untilAsserted(() -> assertThat(failureOf(store.connect()))
                        .contains("the server has no free connection", "max_connections", "POSTGRES_POOL_MAX"));
        for (Connection other : others) {
            other.close();
        }
        await().atMost(PostgresServer.PATIENCE)
                .ignoreExceptions()
                .until(() -> now(store.connect()).isEmpty());
        assertThat(put(store, 1, recorded(1, "first"))).containsExactly(recorded(1, "first"));
    }

    @Test
    void slowStatements_timeOut_aPutWithoutEffect_andAReadIsNoMiss() throws SQLException {
        DedupStore store = open(IMPATIENT);
        now(store.connect());
        put(store, 1, recorded(1, "first"));
        Connection other = session();
        run(other, "LOCK TABLE flk_outcomes");
        assertThat(failureOf(store.get(List.of(id(1))))).contains("longer than DEDUP_TIMEOUT");
        assertThat(failureOf(begin(store, 42, recorded(2, "second")))).contains("longer than DEDUP_TIMEOUT (700 ms)");
        other.rollback();
        assertThat(now(store.connect())).hasValue(1);
        assertThat(now(store.get(List.of(id(1), id(2)))))
                .containsExactly(Optional.of(recorded(1, "first")), Optional.empty());
    }

    @Test
    void readOnlyServer_isUnusable() {
        server.execute("postgres", "ALTER DATABASE " + database + " SET default_transaction_read_only = on");
        DedupStore store = open(IMPATIENT);
        assertThat(failureOf(store.connect())).contains("the server is read-only", "set POSTGRES_CONN to the primary");
        server.execute("postgres", "ALTER DATABASE " + database + " RESET default_transaction_read_only");
        assertThat(now(store.connect())).isEmpty();
    }

    /**
     * Causes a deadlock: the store waits for row 1, which the third session holds; the stranger, which holds row 2,
     * waits for the store's position; when row 1 is released, the store waits for row 2.
     */
    @Test
    void deadlock_isRetried() throws SQLException {
        DedupStore store = open(PATIENT);
        now(store.connect());
        List<StoredOutcome> sorted = new ArrayList<>(List.of(recorded(1, "first"), recorded(2, "second")));
        sorted.sort((a, b) -> a.id().compareTo(b.id()));
        put(store, 1, sorted.get(0), sorted.get(1));
        Connection third = session();
        Connection stranger = session();
        run(stranger, "SET deadlock_timeout = '1h'");
        run(
                third,
                "SELECT 1 FROM flk_outcomes WHERE pcs_id = '\\x" + sorted.get(0).id() + "' FOR UPDATE");
        run(
                stranger,
                "SELECT 1 FROM flk_outcomes WHERE pcs_id = '\\x" + sorted.get(1).id() + "' FOR UPDATE");
        var put = begin(store, 2, sorted.get(0), sorted.get(1));
        awaitWaiting(1);
        var strangersUpdate = CompletableFuture.runAsync(() -> {
            try {
                run(stranger, "UPDATE flk_positions SET token = token");
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        });
        awaitWaiting(2);
        third.rollback();
        strangersUpdate.join(); // the store was the deadlock victim and released the position
        stranger.rollback();
        assertThat(put.join()).containsExactlyElementsOf(sorted);
        assertThat(now(store.connect())).hasValue(2);
    }

    @Test
    void serializationFailure_isRetried() throws SQLException {
        server.execute(
                "postgres", "ALTER DATABASE " + database + " SET default_transaction_isolation = 'repeatable read'");
        DedupStore store = open(PATIENT);
        now(store.connect());
        put(store, 1, recorded(1, "first"));
        Connection other = session();
        run(other, "UPDATE flk_positions SET complete_up_to = complete_up_to");
        var put = begin(store, 2, recorded(1, "second"), recorded(2, "two"));
        awaitWaiting(1);
        other.commit(); // at this isolation level, the transaction that waited fails
        assertThat(put.join()).containsExactly(recorded(1, "first"), recorded(2, "two"));
        assertThat(now(store.connect())).hasValue(2);
    }

    @Test
    void connectDuringAPut_failsThePutWithoutEffect() throws SQLException {
        DedupStore store = open(PATIENT);
        now(store.connect());
        put(store, 41, recorded(1, "first"));
        Connection other = session();
        run(other, "LOCK TABLE flk_outcomes IN SHARE MODE");
        var put = begin(store, 42, recorded(2, "late"));
        awaitWaiting(1);
        assertThat(now(store.connect())).hasValue(41);
        assertThat(failureOf(put)).contains("connected again");
        other.rollback();
        assertThat(put(store, 43, recorded(2, "new"))).containsExactly(recorded(2, "new"));
    }
}
