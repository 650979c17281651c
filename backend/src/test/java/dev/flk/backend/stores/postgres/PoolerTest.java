// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.testkit.PgBouncer;
import dev.flk.testkit.PostgresServer;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests that a pooler which gives each transaction another connection is named, with the remedy. */
class PoolerTest {
    private static final int DRIVER_PREPARES_AT = 5;

    private final PostgresServer server = PostgresServer.shared();
    private final String database = server.newDatabase();

    private PostgresConfig config(int port) {
        return PostgresStores.config(
                "jdbc:postgresql://127.0.0.1:" + port + "/" + database,
                "postgres",
                PostgresServer.PASSWORD,
                4,
                Duration.ofSeconds(5));
    }

    private static PostgresConnector connector(PostgresConfig config) {
        return new PostgresConnector(config, PoolMetrics.unobserved(Pool.DEDUP));
    }

    private static void prepareByTheDriver(Connection connection) throws SQLException {
        try (var statement = connection.prepareStatement("SELECT 1")) {
            for (int i = 0; i < DRIVER_PREPARES_AT; i++) {
                statement.execute();
            }
        }
    }

    private static void assertNamesThePooler(PostgresConfig config, SQLException e) {
        assertThat(PostgresFailures.of(config).of(e))
                .contains("PgBouncer", "transaction mode", "pool_mode=session", "POSTGRES_CONN", "S_1");
    }

    /** Without a pooler: another client of the pooler has prepared a statement on this connection of the server. */
    @ParameterizedTest
    @ValueSource(strings = {"PREPARE \"S_1\" AS SELECT 2", "EXECUTE \"S_1\""})
    void statementsOfAnotherClient_nameThePoolerAndTheRemedy(String ofAnother) throws SQLException {
        PostgresConfig config = config(server.port());
        try (Connection connection = connector(config).connect();
                Statement statement = connection.createStatement()) {
            assertThatThrownBy(() -> {
                        statement.execute(ofAnother);
                        prepareByTheDriver(connection);
                    })
                    .isInstanceOfSatisfying(SQLException.class, e -> assertNamesThePooler(config, e));
        }
    }

    @Test
    void pgBouncerInTransactionMode_twoClients_nameThePoolerAndTheRemedy() throws IOException, SQLException {
        assumeThat(PgBouncer.isInstalled()).as("PgBouncer is installed").isTrue();
        try (PgBouncer pooler = new PgBouncer(server, "transaction")) {
            PostgresConfig config = config(pooler.port());
            try (Connection one = connector(config).connect();
                    Connection two = connector(config).connect()) {
                prepareByTheDriver(one);
                assertThatThrownBy(() -> prepareByTheDriver(two))
                        .isInstanceOfSatisfying(SQLException.class, e -> assertNamesThePooler(config, e));
            }
        }
    }

    /** A lock of a session would stay with the pooler's connection, and block the migration of other backends. */
    @Test
    void migrate_pgBouncerInTransactionMode_leavesNoLock() throws IOException, SQLException {
        assumeThat(PgBouncer.isInstalled()).as("PgBouncer is installed").isTrue();
        try (PgBouncer pooler = new PgBouncer(server, "transaction")) {
            Schema.DEDUP.migrate(connector(config(pooler.port())));
            assertThat(
                            server.number(
                                    database,
                                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                                            + " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"))
                    .isZero();
        }
    }

    @Test
    void pgBouncerThatRefusesTheLogin_namesItsSetting() {
        assertThat(PostgresFailures.of(config(server.port()))
                        .of(new SQLException("FATAL: unsupported startup parameter: extra_float_digits", "08P01")))
                .contains("PgBouncer", "ignore_startup_parameters=extra_float_digits");
    }
}
