// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import dev.flk.state.postgres.StateDatabase;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * The connections of the state to a Postgres server. The pool is opened by {@link #prepare}, not by the constructor,
 * which therefore works while the server is down.
 */
public final class StateConnections implements StateDatabase, PoolMetrics.Gauges {
    private final PostgresConnector connector;
    private final PostgresFailures failures;
    private final Semaphore reads;
    // guarded by this
    private @Nullable HikariDataSource pool;
    private boolean isClosed;

    /** Creates an object that is not connected yet. */
    public StateConnections(PostgresConfig config, PoolMetrics.Observer observer) {
        this.connector = new PostgresConnector(config, observer);
        this.failures = PostgresFailures.of(config);
        this.reads = new Semaphore(config.maxPoolSize() - 1);
    }

    @Override
    public void prepare() throws SQLException {
        try (Connection connection = connector.connect()) {
            Schema.STATE.requireRights(connection);
            Schema.requireUtf8(connection);
        }
        Schema.STATE.migrate(connector);
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
    public int activeConnections() {
        return ofPool(HikariPoolMXBean::getActiveConnections);
    }

    @Override
    public int idleConnections() {
        return ofPool(HikariPoolMXBean::getIdleConnections);
    }

    @Override
    public int waiting() {
        return reads.getQueueLength() + ofPool(HikariPoolMXBean::getThreadsAwaitingConnection);
    }

    private synchronized int ofPool(ToIntFunction<HikariPoolMXBean> value) {
        return pool == null ? 0 : value.applyAsInt(pool.getHikariPoolMXBean());
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
        Connection connection = connector.connection(open, sinceNanos);
        connector.limitSocket(connection);
        return connection;
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

    @Override
    public synchronized void close() {
        isClosed = true;
        if (pool != null) {
            pool.close();
            pool = null;
        }
    }
}
