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
 * A factory of connections and connection pools with time-outs. The time-out applies to a statement on the server and,
 * slightly longer, to the socket: a slow server can report the time-out itself, and the connection to a server that has
 * vanished is given up. The driver's own query time-out is off, because it would cancel the statement: a commit that is
 * cancelled while it waits for a standby takes effect all the same.
 */
public final class PostgresConnector {
    private static final String APPLICATION = "flk-backend";

    /** The minimum time-out that the pool accepts. */
    private static final long SHORTEST_POOL_TIMEOUT_MILLIS = 250;

    /**
     * The time-out of migrations. It is longer than any migration takes, even if this backend first waits for a
     * migration by another backend.
     */
    private static final int MIGRATION_SECONDS = 60;

    private final PostgresConfig config;

    /** Creates a connector without connecting. */
    public PostgresConnector(PostgresConfig config) {
        this.config = config;
    }

    /** Returns {@code host:port/database}. */
    public String name() {
        return config.server();
    }

    /** Returns the size of the pool. */
    int connections() {
        return config.poolSize();
    }

    /**
     * Opens a pool with one connection for each thread that uses it, so that no thread waits. All connections are
     * opened at once and kept.
     */
    public HikariDataSource pool() {
        HikariConfig pool = new HikariConfig();
        pool.setPoolName(APPLICATION);
        pool.setDataSource(source(socketSeconds()));
        pool.setMaximumPoolSize(config.poolSize());
        pool.setConnectionTimeout(Math.max(SHORTEST_POOL_TIMEOUT_MILLIS, timeoutMillis()));
        pool.setValidationTimeout(Math.max(SHORTEST_POOL_TIMEOUT_MILLIS, timeoutMillis()));
        pool.setInitializationFailTimeout(-1); // do not block: a connection has succeeded before
        pool.setTransactionIsolation("TRANSACTION_READ_COMMITTED");
        pool.setConnectionInitSql(limits());
        return new HikariDataSource(pool);
    }

    /** Opens a connection outside the pool. */
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

    /** Returns a source of connections for migrations. */
    public DataSource forMigrations() {
        return source(MIGRATION_SECONDS);
    }

    /** Sets the exact time-out of the socket, because the driver's setting accepts only whole seconds. */
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

    /**
     * Returns the SQL that sets the session's time-outs. The time-out for idle transactions ends a transaction that a
     * vanished backend has left open, and thus releases its locks.
     */
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
