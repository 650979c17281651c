// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import static dev.flk.program.metrics.ScrapedText.sample;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.program.metrics.Metrics;
import dev.flk.testkit.PostgresServer;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.postgresql.jdbc.PgConnection;

class MeasuredConnectionTest {
    private static final Duration ACQUIRE_TIMEOUT = Duration.ofMillis(400);
    private static final Duration STATEMENT_TIMEOUT = Duration.ofSeconds(1);

    private final Metrics metrics = new Metrics("test");
    private final PostgresServer server = PostgresServer.shared();
    private final PostgresConnector connector = new PostgresConnector(
            PostgresStores.config(server, "postgres", 2, ACQUIRE_TIMEOUT, STATEMENT_TIMEOUT),
            new PoolMetrics(metrics).of(Pool.STATE));

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "SELECT 1 | SELECT",
                "' select 1' | SELECT",
                "INSERT INTO a VALUES (1) | INSERT",
                "WITH b AS (SELECT 1) SELECT * FROM b | SELECT",
                "WITH b AS (SELECT 1) DELETE FROM a USING b | DELETE",
                "WITH b AS (DELETE FROM a RETURNING c) INSERT INTO d SELECT * FROM b | DELETE",
                "SET statement_timeout = 1 | OTHER",
                "'' | OTHER",
            })
    void kind_isDeterminedByTheVerb(String sql, PoolMetrics.Kind kind) {
        assertThat(MeasuredConnection.kind(sql)).isEqualTo(kind);
    }

    @Test
    void pool_countsStatementsTimeOutsAndWaits() throws SQLException {
        try (HikariDataSource pool = connector.pool()) {
            await().atMost(PostgresServer.PATIENCE)
                    .until(() -> pool.getHikariPoolMXBean().getIdleConnections() == 2);
            assertMeasures(pool);
        }
    }

    /** @param pool a pool of two idle connections */
    private void assertMeasures(HikariDataSource pool) throws SQLException {
        try (Connection first = connector.connection(pool, System.nanoTime());
                Connection second = connector.connection(pool, System.nanoTime())) {
            first.setAutoCommit(false);
            try (Statement statement = first.createStatement();
                    var prepared = second.prepareStatement("SELECT 1")) {
                assertThatThrownBy(() -> statement.execute("SELECT pg_sleep(10)"))
                        .hasMessageContaining("timeout");
                assertThat(prepared.executeQuery().next()).isTrue();
                assertThat(second.isWrapperFor(org.postgresql.PGConnection.class))
                        .isTrue();
            }
            first.rollback();
            first.commit();
            assertThatThrownBy(() -> connector.connection(pool, System.nanoTime()))
                    .isInstanceOf(SQLTransientConnectionException.class);

            assertThat(value("statement_seconds_count{pool=\"state\",kind=\"select\",}"))
                    .isEqualTo(2);
            assertThat(value("statement_seconds_count{pool=\"state\",kind=\"commit\",}"))
                    .isPositive();
            assertThat(value("statement_seconds_count{pool=\"dedup\",kind=\"select\",}"))
                    .isZero();
            assertThat(value("statement_timeouts_total{pool=\"state\",}")).isOne();
            assertThat(value("pool_timeouts_total{pool=\"state\",}")).isOne();
            assertThat(value("pool_acquire_seconds_count{pool=\"state\",}")).isEqualTo(2);
            String names = server.text("postgres", """
                    SELECT string_agg(DISTINCT application_name, '|') FROM pg_stat_activity
                    WHERE application_name LIKE 'flk-backend state %@%'""");
            assertThat(List.of(names.split("\\|")))
                    .anyMatch(
                            name -> name.contains(" " + ProcessHandle.current().pid() + "@"));
        }
    }

    private double value(String name) {
        return sample(metrics, "flk_postgres_" + name);
    }

    @Test
    void connection_breaksBeforeItsSocketIsLimited_isNotLostToThePool() throws SQLException {
        HikariConfig config = new HikariConfig();
        config.setDataSource(connector.forMigrations());
        config.setMaximumPoolSize(1);
        try (HikariDataSource pool = new HikariDataSource(config) {
            @Override
            public Connection getConnection() throws SQLException {
                Connection connection = super.getConnection();
                connection.unwrap(PgConnection.class).close();
                return connection;
            }
        }) {
            assertThatThrownBy(() -> connector.connection(pool, System.nanoTime()))
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("closed");

            assertThat(pool.getHikariPoolMXBean().getActiveConnections()).isZero();
        }
    }
}
