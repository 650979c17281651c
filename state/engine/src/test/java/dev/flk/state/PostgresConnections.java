// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.flk.backend.stores.postgres.Database;
import dev.flk.backend.stores.postgres.Schema;
import dev.flk.testkit.PostgresServer;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.flywaydb.core.Flyway;
import org.postgresql.PGConnection;
import org.postgresql.ds.PGSimpleDataSource;

/** Two pooled connections of a storage to a test server, with the tables of the migrations. */
final class PostgresConnections implements Database {
    /** The name of each connection. */
    static final String APPLICATION = "flk-state-test";

    private static final int CONNECTIONS = 2;
    /** The advisory lock with which storages take turns to migrate. */
    private static final long TURN = 1;

    private final PGSimpleDataSource server = new PGSimpleDataSource();
    private final Duration acquireTimeout;
    private final Duration statementTimeout;
    private final Semaphore reads = new Semaphore(CONNECTIONS - 1);
    // guarded by this
    private HikariDataSource pool;
    private boolean isClosed;

    /** @param acquireTimeout the time-out of waiting for a connection */
    PostgresConnections(PostgresServer server, String database, Duration acquireTimeout, Duration statementTimeout) {
        this.server.setURL("jdbc:postgresql://127.0.0.1:" + server.port() + "/" + database);
        this.server.setUser("postgres");
        this.server.setPassword(PostgresServer.PASSWORD);
        this.server.setApplicationName(APPLICATION);
        this.acquireTimeout = acquireTimeout;
        this.statementTimeout = statementTimeout;
    }

    @Override
    public void prepare() throws SQLException {
        try (Connection inTurn = server.getConnection();
                Statement statement = inTurn.createStatement()) {
            inTurn.setAutoCommit(false);
            statement.execute("SELECT pg_advisory_xact_lock(" + TURN + ")");
            Flyway.configure()
                    .dataSource(server)
                    .locations("classpath:" + Schema.STATE.migrations())
                    .table("flk_state_schema_history")
                    .createSchemas(false)
                    .baselineOnMigrate(true)
                    .baselineVersion("0")
                    .load()
                    .migrate();
        }
        synchronized (this) {
            if (pool == null && !isClosed) {
                pool = newPool();
            }
        }
    }

    private HikariDataSource newPool() {
        HikariConfig config = new HikariConfig();
        config.setDataSource(server);
        config.setMaximumPoolSize(CONNECTIONS);
        config.setConnectionTimeout(acquireTimeout.toMillis());
        config.setValidationTimeout(acquireTimeout.toMillis());
        config.setInitializationFailTimeout(-1);
        config.setConnectionInitSql(limits());
        return new HikariDataSource(config);
    }

    private String limits() {
        return "SET statement_timeout = " + statementTimeout.toMillis();
    }

    @Override
    public Duration statementTimeout() {
        return statementTimeout;
    }

    @Override
    public boolean beginRead() throws InterruptedException {
        return reads.tryAcquire(acquireTimeout.toMillis(), TimeUnit.MILLISECONDS);
    }

    @Override
    public void endRead() {
        reads.release();
    }

    @Override
    public Connection connection(long sinceNanos) throws SQLException {
        HikariDataSource open;
        synchronized (this) {
            open = pool;
        }
        if (open == null) {
            throw new SQLException("not connected yet, or closed");
        }
        return limited(open.getConnection());
    }

    @Override
    public Connection ownConnection() throws SQLException {
        Connection connection = limited(server.getConnection());
        try (Statement statement = connection.createStatement()) {
            statement.execute(limits());
        }
        return connection;
    }

    /** Limits the waiting for a vanished server; a slow server reports its own time-out before. */
    private Connection limited(Connection connection) throws SQLException {
        connection.setNetworkTimeout(Runnable::run, (int) statementTimeout.toMillis() * 5 / 4);
        return connection;
    }

    @Override
    public boolean awaitNotices(Connection listening, int millis) throws SQLException {
        return listening.unwrap(PGConnection.class).getNotifications(millis).length > 0;
    }

    /** Returns the SQLSTATE of the innermost SQL exception, such as {@code 57014}, and the message. */
    @Override
    public String what(Exception failure) {
        SQLException root = null;
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof SQLException sql) {
                root = sql;
            }
        }
        return root == null ? failure.toString() : "Postgres: " + root.getSQLState() + ": " + root.getMessage();
    }

    @Override
    public synchronized void close() {
        isClosed = true;
        if (pool != null) {
            pool.close();
            pool = null;
        }
    }
}
