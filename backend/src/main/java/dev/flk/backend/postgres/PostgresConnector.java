// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.postgres;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * How connections are made, pooled and timed. The time-out holds for a statement on the server and, a little
 * longer, for the socket, so that a server that is only slow gets to say so, and one that is gone is given up. The driver's own
 * query time-out stays off: it cancels, and a commit that is cancelled while it waits for a standby counts as done.
 */
public final class PostgresConnector {
    private static final String APPLICATION = "flk-backend";

    /** The pool takes no less. */
    private static final long SHORTEST_POOL_TIMEOUT_MILLIS = 250;

    /** Longer than any migration of ours takes, and than another backend's that is waited for. */
    private static final int MIGRATION_SECONDS = 60;

    private final PostgresConfig config;

    /** Connects nothing yet. */
    public PostgresConnector(PostgresConfig config) {
        this.config = config;
    }

    /** {@code host:port/database}. */
    public String name() {
        return config.server();
    }

    /** How many the pool has. */
    int connections() {
        return config.poolSize();
    }

    /** As many connections as there are threads that use them: none waits for another's. All are opened at once and kept. */
    public HikariDataSource pool() {
        HikariConfig pool = new HikariConfig();
        pool.setPoolName(APPLICATION);
        pool.setDataSource(source(socketSeconds()));
        pool.setMaximumPoolSize(config.poolSize());
        pool.setConnectionTimeout(Math.max(SHORTEST_POOL_TIMEOUT_MILLIS, timeoutMillis()));
        pool.setValidationTimeout(Math.max(SHORTEST_POOL_TIMEOUT_MILLIS, timeoutMillis()));
        pool.setInitializationFailTimeout(-1); // it is made after a connection succeeded, and never blocks
        pool.setTransactionIsolation("TRANSACTION_READ_COMMITTED");
        pool.setConnectionInitSql(limits());
        return new HikariDataSource(pool);
    }

    /** A connection outside the pool. */
    public Connection connect() throws SQLException {
        Connection connection = source(socketSeconds()).getConnection();
        try (Statement statement = connection.createStatement()) {
            limitSocket(connection);
            statement.execute(limits());
            return connection;
        } catch (SQLException e) {
            connection.close();
            throw e;
        }
    }

    /** Where the migrations get their connections. */
    public DataSource forMigrations() {
        return source(MIGRATION_SECONDS);
    }

    /** The driver takes whole seconds; this is what is really meant. */
    public void limitSocket(Connection connection) throws SQLException {
        connection.setNetworkTimeout(Runnable::run, (int) socketMillis());
    }

    private PGSimpleDataSource source(int socketSeconds) {
        PGSimpleDataSource source = new PGSimpleDataSource();
        source.setURL(config.jdbcUrl());
        if (!config.user().isEmpty()) {
            source.setUser(config.user());
        }
        if (!config.password().text().isEmpty()) {
            source.setPassword(config.password().text());
        }
        source.setApplicationName(APPLICATION);
        source.setTcpKeepAlive(true);
        source.setConnectTimeout(socketSeconds());
        source.setLoginTimeout(socketSeconds());
        source.setSocketTimeout(socketSeconds);
        return source;
    }

    /** The second one frees the rows that a vanished backend has locked. */
    private String limits() {
        return "SET statement_timeout = %d; SET idle_in_transaction_session_timeout = %d"
                .formatted(timeoutMillis(), 2 * timeoutMillis());
    }

    private long timeoutMillis() {
        return config.timeout().toMillis();
    }

    private long socketMillis() {
        return timeoutMillis() + Math.max(100, timeoutMillis() / 4);
    }

    private int socketSeconds() {
        return (int) Duration.ofMillis(socketMillis() + 999).toSeconds();
    }
}
