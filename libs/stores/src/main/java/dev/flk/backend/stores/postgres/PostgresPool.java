// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * The connections of the state, or of the record, to a Postgres server. The pool is opened by {@link #prepare}, not by
 * the constructor, which therefore works while the server is down. One connection of the pool is left to the thread that
 * writes; reads, which {@link #beginRead} counts, use the others.
 */
public final class PostgresPool implements Database, PoolMetrics.Gauges {
    private final PostgresConnector connector;
    private final PostgresFailures failures;
    private final Schema schema;
    private final Semaphore reads;
    // guarded by this
    private @Nullable HikariDataSource pool;
    private boolean isClosed;

    /** Creates an object that is not connected yet. */
    public PostgresPool(PostgresConfig config, PoolMetrics.Observer observer) {
        this.connector = new PostgresConnector(config, observer);
        this.failures = PostgresFailures.of(config);
        this.schema = Schema.of(observer.pool());
        this.reads = new Semaphore(config.maxPoolSize() - 1);
    }

    @Override
    public void prepare() throws SQLException {
        try (Connection connection = connector.connect()) {
            schema.requireRights(connection);
            Schema.requireUtf8(connection);
        }
        schema.migrate(connector);
        synchronized (this) {
            if (pool == null && !isClosed) {
                pool = connector.pool();
            }
        }
    }

    @Override
    public int maxConnections() {
        return connector.config().maxPoolSize();
    }

    @Override
    public Duration statementTimeout() {
        return connector.config().statementTimeout().time();
    }

    @Override
    public synchronized @Nullable HikariPoolMXBean openPool() {
        return pool == null ? null : pool.getHikariPoolMXBean();
    }

    @Override
    public int queued() {
        return reads.getQueueLength();
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
        return connector.connection(open, sinceNanos);
    }

    @Override
    public boolean beginRead() throws InterruptedException {
        boolean isTurn = reads.tryAcquire(connector.config().acquireTimeout().millis(), TimeUnit.MILLISECONDS);
        if (!isTurn) {
            connector.observer().acquireTimedOut();
        }
        return isTurn;
    }

    @Override
    public void endRead() {
        reads.release();
    }

    @Override
    public Connection ownConnection() throws SQLException {
        return connector.connect();
    }

    @Override
    public boolean awaitNotices(Connection listening, int millis) throws SQLException {
        return listening.unwrap(PGConnection.class).getNotifications(millis).length > 0;
    }

    @Override
    public String what(Exception failure) {
        return failures.of(failure);
    }

    /** Returns a message with the server and a problem that its exceptions do not describe. */
    public String what(String problem) {
        return failures.of(problem);
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
