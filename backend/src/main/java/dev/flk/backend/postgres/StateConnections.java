// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.postgres;

import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import dev.flk.state.postgres.StateDatabase;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * The state's connections to a server. {@link #prepare}, not the constructor, opens the pool. Therefore the connections
 * can be created while the server is down.
 */
public final class StateConnections implements StateDatabase {
    private static final Schema SCHEMA =
            new Schema("flk_state_schema_history", StateDatabase.MIGRATIONS, 0x666c6b5f73746174L);

    private final PostgresConnector connector;
    private final PostgresFailures failures;
    // guarded by this
    private @Nullable HikariDataSource pool;
    private boolean isClosed;

    /** Creates the connections without connecting. */
    public StateConnections(PostgresConfig config) {
        this.connector = new PostgresConnector(config);
        this.failures = new PostgresFailures(config.server(), config.timeout().toMillis() + " ms");
    }

    @Override
    public void prepare() throws SQLException {
        try (Connection connection = connector.connect()) {
            SCHEMA.requireRights(connection);
            requireUtf8(connection);
        }
        SCHEMA.migrate(connector);
        synchronized (this) {
            if (pool == null && !isClosed) {
                pool = connector.pool();
            }
        }
    }

    private static void requireUtf8(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SHOW server_encoding")) {
            if (row.next() && !row.getString(1).equals("UTF8")) {
                throw new SQLException("the database is in " + row.getString(1)
                        + ", which can't hold every text; create one WITH ENCODING 'UTF8'");
            }
        }
    }

    @Override
    public int connections() {
        return connector.connections();
    }

    /** Returns the number of connections in use. */
    public int activeConnections() {
        return ofPool(HikariPoolMXBean::getActiveConnections);
    }

    /** Returns the number of open, unused connections. */
    public int idleConnections() {
        return ofPool(HikariPoolMXBean::getIdleConnections);
    }

    private synchronized int ofPool(ToIntFunction<HikariPoolMXBean> value) {
        return pool == null ? 0 : value.applyAsInt(pool.getHikariPoolMXBean());
    }

    @Override
    public Connection connection() throws SQLException {
        HikariDataSource open;
        synchronized (this) {
            open = pool;
        }
        if (open == null) {
            throw new SQLException("not connected yet, or closed");
        }
        Connection connection = open.getConnection();
        connector.limitSocket(connection);
        return connection;
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
