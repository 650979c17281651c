// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.sql.Statement;
import java.time.Duration;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * A factory of connections and connection pools with time-outs. The server stops a statement at its time-out. The
 * time-out of the socket gives up a connection to a vanished server; it is slightly longer, so that a slow server can
 * report its own time-out first. The driver's query time-out is off, because the driver would cancel statements, and a
 * commit that is cancelled while it waits for a standby takes effect nevertheless.
 */
public final class PostgresConnector {
    /** The beginning of the name of each connection. */
    static final String APPLICATION = "flk-backend";

    /** The maximum length of the name of a connection; the server would cut longer names. */
    private static final int MOST_NAME_CHARS = 63;

    private static final String HOST = host();

    /** The minimum time-out that the pool accepts. */
    private static final long SHORTEST_POOL_TIMEOUT_MILLIS = 250;

    /**
     * The time-out of the socket during migrations. It is longer than any migration takes, even if this backend first
     * waits for a migration by another backend.
     */
    private static final int MIGRATION_SECONDS = 60;

    /** The maximum number of attempts of a transaction that the server rolls back in favour of another one. */
    private static final int TRIES = 5;

    private final PostgresConfig config;
    private final PoolMetrics.Observer observer;

    /** A use of a connection. */
    public interface Use<T> {
        T with(Connection connection) throws SQLException;
    }

    /** Creates a connector without connecting. */
    public PostgresConnector(PostgresConfig config, PoolMetrics.Observer observer) {
        this.config = config;
        this.observer = observer;
    }

    /** Returns {@code host:port/database}. */
    public String name() {
        return config.server();
    }

    PostgresConfig config() {
        return config;
    }

    PoolMetrics.Observer observer() {
        return observer;
    }

    /** Opens a pool. The pool connects in the background until it has its minimum number of connections. */
    public HikariDataSource pool() {
        HikariConfig pool = new HikariConfig();
        pool.setPoolName(APPLICATION + "-" + observer.pool().label());
        pool.setDataSource(new MeasuredSource());
        pool.setMaximumPoolSize(config.maxPoolSize());
        pool.setMinimumIdle(config.minPoolSize());
        pool.setIdleTimeout(
                config.minPoolSize() == config.maxPoolSize()
                        ? 0
                        : config.idleTimeout().toMillis());
        pool.setMaxLifetime(config.maxLifetime().toMillis());
        long acquireMillis =
                Math.max(SHORTEST_POOL_TIMEOUT_MILLIS, config.acquireTimeout().millis());
        pool.setConnectionTimeout(acquireMillis);
        pool.setValidationTimeout(acquireMillis);
        pool.setInitializationFailTimeout(-1); // do not wait: callers have connected before
        pool.setTransactionIsolation("TRANSACTION_READ_COMMITTED");
        pool.setConnectionInitSql(limits());
        return new HikariDataSource(pool);
    }

    /**
     * Returns a connection from a pool. If no connection is free, waits for one, up to the time-out of the pool.
     *
     * @param sinceNanos when the caller began to wait, from {@link System#nanoTime}; used only for the metric of
     *     waiting times, not for the time-out
     */
    public Connection connection(HikariDataSource pool, long sinceNanos) throws SQLException {
        try {
            Connection connection = pool.getConnection();
            observer.acquired(System.nanoTime() - sinceNanos);
            limitSocket(connection); // the pool drops a connection that turns out to be broken here
            return connection;
        } catch (SQLTransientConnectionException e) {
            observer.acquireTimedOut();
            throw e;
        }
    }

    /** Runs and commits a transaction, and runs it again if the server rolls it back in favour of another one. */
    public static <T> T commit(Connection connection, Use<T> transaction) throws SQLException {
        connection.setAutoCommit(false);
        for (int tries = 1; ; tries++) {
            try {
                T result = transaction.with(connection);
                connection.commit();
                return result;
            } catch (SQLException e) {
                if (tries == TRIES || !PostgresFailures.isUndoneForOthers(e)) {
                    throw e;
                }
                connection.rollback();
            }
        }
    }

    /** Opens a connection outside the pool. */
    public Connection connect() throws SQLException {
        Connection connection = measured();
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
    private void limitSocket(Connection connection) throws SQLException {
        connection.setNetworkTimeout(Runnable::run, (int) socketMillis());
    }

    private Connection measured() throws SQLException {
        return MeasuredConnection.of(source(seconds(socketMillis())).getConnection(), observer);
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
        source.setApplicationName(applicationName());
        source.setTcpKeepAlive(true);
        int connectSeconds = seconds(withMargin(config.acquireTimeout().millis()));
        source.setConnectTimeout(connectSeconds);
        source.setLoginTimeout(connectSeconds);
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

    /**
     * Returns the name under which the server lists the connections of this process, such as {@code flk-backend dedup
     * 4711@host}.
     */
    private String applicationName() {
        String name = APPLICATION + " " + observer.pool().label() + " "
                + ProcessHandle.current().pid() + "@" + HOST;
        return name.substring(0, Math.min(name.length(), MOST_NAME_CHARS));
    }

    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName().replaceAll("[^A-Za-z0-9.-]", "?");
        } catch (UnknownHostException e) {
            return "unknown";
        }
    }

    private long timeoutMillis() {
        return config.statementTimeout().millis();
    }

    private long socketMillis() {
        return withMargin(timeoutMillis());
    }

    private static long withMargin(long millis) {
        return millis + Math.max(100, millis / 4);
    }

    private static int seconds(long millis) {
        return (int) Duration.ofMillis(millis + 999).toSeconds();
    }

    /** The source of the pool's connections. */
    private final class MeasuredSource extends PGSimpleDataSource {
        private static final long serialVersionUID = 1;

        @Override
        public Connection getConnection() throws SQLException {
            return measured();
        }
    }
}
