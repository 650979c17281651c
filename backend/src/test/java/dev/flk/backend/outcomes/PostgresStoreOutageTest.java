// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static dev.flk.backend.outcomes.DedupStoreContract.id;
import static dev.flk.backend.outcomes.DedupStoreContract.recorded;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.postgres.PostgresStore;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.testkit.PostgresServer;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests of the store during failures of a real server. */
final class PostgresStoreOutageTest {
    private static final Duration SHORT = Duration.ofMillis(700);
    private static final Duration LONG = Duration.ofSeconds(20);

    private static PostgresServer server;

    private final List<AutoCloseable> opened = new ArrayList<>();
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
    void closeAll() throws Exception {
        for (AutoCloseable each : opened) {
            each.close();
        }
        server.resume();
        server.startUnlessUp();
    }

    private DedupStore open(Duration timeout) {
        return open(PostgresStores.config(server, database, timeout));
    }

    private DedupStore open(PostgresConfig config) {
        DedupStore store = PostgresStore.open(
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

    private static OptionalLong connect(DedupStore store) {
        return store.connect().toCompletableFuture().join();
    }

    private static CompletableFuture<List<StoredOutcome>> put(
            DedupStore store, long completeUpTo, StoredOutcome... decisions) {
        return store.putIfAbsent(List.of(decisions), completeUpTo).toCompletableFuture();
    }

    private static String failure(CompletionStage<?> stage) {
        Throwable thrown = catchThrowable(() -> stage.toCompletableFuture().join());
        assertThat(thrown).hasCauseInstanceOf(StoreUnavailableException.class);
        return thrown.getCause().getMessage();
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
    void connect_serverDown_isATemporaryOutage() {
        server.stop();
        DedupStore store = open(SHORT);
        assertThat(failure(store.connect())).contains("can't be reached", "127.0.0.1:" + server.port());
        assertThat(failure(store.get(List.of(id(1))))).contains("not connected");
        server.restart();
        assertThat(connect(store)).isEmpty();
        assertThat(put(store, 1, recorded(1, "first")).join()).containsExactly(recorded(1, "first"));
    }

    @Test
    void killed_everythingFailsUntilReconnected() {
        DedupStore store = open(SHORT);
        connect(store);
        put(store, 41, recorded(1, "first")).join();
        server.kill();
        failure(store.get(List.of(id(1))));
        failure(put(store, 42, recorded(2, "second")));
        failure(store.connect());
        server.restart();
        failure(store.get(List.of(id(1))));
        assertThat(connect(store)).hasValue(41);
        assertThat(store.get(List.of(id(1), id(2))).toCompletableFuture().join())
                .containsExactly(Optional.of(recorded(1, "first")), Optional.empty());
    }

    @Test
    void wrongPassword_saysSoAndShowsNeitherUserNorPassword() {
        DedupStore store = open(PostgresStores.config(server, database, SHORT, "postgres", "wr0ng"));
        assertThat(failure(store.connect()))
                .contains("the login is refused", "POSTGRES_CONN")
                .doesNotContain("wr0ng", "\"postgres\"");
    }

    @Test
    void missingDatabase_saysSo() {
        DedupStore store = open(PostgresStores.config(server, "nowhere", SHORT));
        assertThat(failure(store.connect())).contains("/nowhere: there is no such database");
    }

    @Test
    void tlsNotSupportedByTheServer_saysSo() {
        DedupStore store = open(PostgresStores.config(server, database + "?sslmode=require", SHORT));
        assertThat(failure(store.connect())).contains("SSL");
    }

    @Test
    void missingRight_saysWhich() {
        server.execute(
                database, "CREATE ROLE guest LOGIN PASSWORD 'guest'; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
        DedupStore store = open(PostgresStores.config(server, database, SHORT, "guest", "guest"));
        assertThat(failure(store.connect()))
                .contains("a privilege is missing", "schema public")
                .doesNotContain("guest");
        server.execute(database, "GRANT CREATE ON SCHEMA public TO guest");
        assertThat(connect(store)).isEmpty();
        assertThat(put(store, 1, recorded(1, "first")).join()).containsExactly(recorded(1, "first"));
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
        DedupStore store = open(SHORT);
        await().atMost(PostgresServer.PATIENCE)
                .untilAsserted(() -> assertThat(failure(store.connect()))
                        .contains("the server has no free connection", "max_connections", "POSTGRES_POOL_MAX"));
        for (Connection other : others) {
            other.close();
        }
        await().atMost(PostgresServer.PATIENCE)
                .ignoreExceptions()
                .until(() -> connect(store).isEmpty());
        assertThat(put(store, 1, recorded(1, "first")).join()).containsExactly(recorded(1, "first"));
    }

    @Test
    void slowStatement_timesOutWithoutEffect() throws SQLException {
        DedupStore store = open(SHORT);
        connect(store);
        Connection other = session();
        run(other, "LOCK TABLE flk_outcomes");
        assertThat(failure(put(store, 42, recorded(2, "second")))).contains("longer than DEDUP_TIMEOUT (700 ms)");
        other.rollback();
        assertThat(connect(store)).isEmpty();
        assertThat(store.get(List.of(id(2))).toCompletableFuture().join()).containsExactly(Optional.empty());
    }

    @Test
    void slowRead_timesOutAndIsNotAMiss() throws SQLException {
        DedupStore store = open(SHORT);
        connect(store);
        put(store, 1, recorded(1, "first")).join();
        Connection other = session();
        run(other, "LOCK TABLE flk_outcomes");
        assertThat(failure(store.get(List.of(id(1))))).contains("longer than DEDUP_TIMEOUT");
        other.rollback();
        assertThat(store.get(List.of(id(1))).toCompletableFuture().join())
                .containsExactly(Optional.of(recorded(1, "first")));
    }

    @Test
    void paused_timesOutAndRecovers() {
        DedupStore store = open(SHORT);
        connect(store);
        put(store, 41, recorded(1, "first")).join();
        server.pause();
        var get = store.get(List.of(id(1)));
        var put = put(store, 42, recorded(2, "second"));
        failure(get);
        // the message depends on whether the put uses an open connection or a new one
        assertThat(failure(put))
                .containsAnyOf(
                        "within DEDUP_TIMEOUT (700 ms)", "could be opened in time", "Connection attempt timed out");
        failure(store.connect());
        server.resume();
        await().atMost(PostgresServer.PATIENCE)
                .ignoreExceptions()
                .until(() -> connect(store).isPresent());
        assertThat(put(store, 43, recorded(1, "again")).join()).containsExactly(recorded(1, "first"));
    }

    @Test
    void readOnlyServer_isUnusable() {
        server.execute("postgres", "ALTER DATABASE " + database + " SET default_transaction_read_only = on");
        DedupStore store = open(SHORT);
        assertThat(failure(store.connect())).contains("the server is read-only", "set POSTGRES_CONN to the primary");
        server.execute("postgres", "ALTER DATABASE " + database + " RESET default_transaction_read_only");
        assertThat(connect(store)).isEmpty();
    }

    /**
     * Causes a deadlock: the store waits for row 1, which the third session holds; the stranger, which holds row 2,
     * waits for the store's position; when row 1 is released, the store waits for row 2.
     */
    @Test
    void deadlock_isRetried() throws SQLException {
        DedupStore store = open(LONG);
        connect(store);
        List<StoredOutcome> sorted = new ArrayList<>(List.of(recorded(1, "first"), recorded(2, "second")));
        sorted.sort((a, b) -> a.id().compareTo(b.id()));
        put(store, 1, sorted.get(0), sorted.get(1)).join();
        Connection third = session();
        Connection stranger = session();
        run(stranger, "SET deadlock_timeout = '1h'");
        run(
                third,
                "SELECT 1 FROM flk_outcomes WHERE pcs_id = '\\x" + sorted.get(0).id() + "' FOR UPDATE");
        run(
                stranger,
                "SELECT 1 FROM flk_outcomes WHERE pcs_id = '\\x" + sorted.get(1).id() + "' FOR UPDATE");
        var put = put(store, 2, sorted.get(0), sorted.get(1));
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
        assertThat(connect(store)).hasValue(2);
    }

    @Test
    void serializationFailure_isRetried() throws SQLException {
        server.execute(
                "postgres", "ALTER DATABASE " + database + " SET default_transaction_isolation = 'repeatable read'");
        DedupStore store = open(LONG);
        connect(store);
        put(store, 1, recorded(1, "first")).join();
        Connection other = session();
        run(other, "UPDATE flk_positions SET complete_up_to = complete_up_to");
        var put = put(store, 2, recorded(1, "second"), recorded(2, "two"));
        awaitWaiting(1);
        other.commit(); // at this isolation level, the transaction that waited fails
        assertThat(put.join()).containsExactly(recorded(1, "first"), recorded(2, "two"));
        assertThat(connect(store)).hasValue(2);
    }

    @Test
    void connectDuringAPut_failsThePutWithoutEffect() throws SQLException {
        DedupStore store = open(LONG);
        connect(store);
        put(store, 41, recorded(1, "first")).join();
        Connection other = session();
        run(other, "LOCK TABLE flk_outcomes IN SHARE MODE");
        var put = put(store, 42, recorded(2, "late"));
        awaitWaiting(1);
        assertThat(connect(store)).hasValue(41);
        assertThat(failure(put)).contains("connected again");
        other.rollback();
        assertThat(put(store, 43, recorded(2, "new")).join()).containsExactly(recorded(2, "new"));
    }

    @Test
    void closeDuringAPut_endsInTime() throws SQLException {
        DedupStore store = open(SHORT);
        connect(store);
        run(session(), "LOCK TABLE flk_outcomes");
        var put = put(store, 42, recorded(2, "second"));
        awaitWaiting(1);
        store.close();
        failure(put);
        assertThat(failure(store.connect())).contains("the store is closed");
    }
}
