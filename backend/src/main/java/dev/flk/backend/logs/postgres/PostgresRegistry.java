// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs.postgres;

import dev.flk.backend.logs.EntryReader;
import dev.flk.backend.logs.LogEntry;
import dev.flk.backend.logs.LogRegistry;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.backend.stores.postgres.PostgresFailures;
import dev.flk.backend.stores.postgres.Schema;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import org.flywaydb.core.api.FlywayException;
import org.jspecify.annotations.Nullable;

/** The registry in Postgres: the table {@code flk_logs}, whose rows contain the JSON of the entries. */
public final class PostgresRegistry implements LogRegistry {
    private static final String ALL = "SELECT left(log_id, 100), left(entry, " + (LogEntry.MOST_CHARS + 1)
            + ") FROM flk_logs ORDER BY log_id LIMIT " + (EntryReader.MOST_ENTRIES + 1) + " FOR UPDATE";
    private static final String PUT = """
            INSERT INTO flk_logs (log_id, entry) VALUES (?, ?) ON CONFLICT (log_id) DO UPDATE SET entry = EXCLUDED.entry""";
    private static final String ADD =
            "INSERT INTO flk_logs (log_id, entry) VALUES (?, ?) ON CONFLICT (log_id) DO NOTHING";
    private static final String REMOVE = "DELETE FROM flk_logs WHERE log_id = ?";

    private final PostgresConnector connector;
    private final PostgresFailures failures;
    private final boolean mayMigrate;
    private final EntryReader reader = new EntryReader("flk_logs");
    private @Nullable Connection connection;

    /** Creates a registry, which creates the tables if they are missing; opens no connection. */
    public PostgresRegistry(PostgresConfig config) {
        this(config, true);
    }

    private PostgresRegistry(PostgresConfig config, boolean mayMigrate) {
        this.mayMigrate = mayMigrate;
        this.connector = new PostgresConnector(config, PoolMetrics.unobserved(Pool.DEDUP));
        this.failures = PostgresFailures.of(config);
    }

    /** Creates a registry that must not be changed, and is empty if the tables are missing; opens no connection. */
    public static PostgresRegistry readOnly(PostgresConfig config) {
        return new PostgresRegistry(config, false);
    }

    @Override
    public Map<String, LogEntry> update(List<Change> changes) {
        try {
            Connection used = connection();
            return mayMigrate || hasTable(used)
                    ? PostgresConnector.commit(used, transaction -> updated(transaction, changes))
                    : Map.of();
        } catch (SQLException | FlywayException e) {
            close();
            throw new StoreUnavailableException(failures.of(e), e);
        }
    }

    private Connection connection() throws SQLException {
        if (connection == null) {
            Connection opened = connector.connect();
            connection = opened;
            if (mayMigrate) {
                Schema.DEDUP.requireRights(opened);
                Schema.DEDUP.migrate(connector);
            }
        }
        return connection;
    }

    private static boolean hasTable(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT to_regclass('flk_logs') IS NOT NULL");
                ResultSet row = statement.executeQuery()) {
            return row.next() && row.getBoolean(1);
        }
    }

    private Map<String, LogEntry> updated(Connection connection, List<Change> changes) throws SQLException {
        try (PreparedStatement all =
                        connection.prepareStatement(changes.isEmpty() ? ALL.replace(" FOR UPDATE", "") : ALL);
                ResultSet rows = all.executeQuery()) {
            while (rows.next()) {
                reader.add(rows.getString(1), rows.getString(2));
            }
        }
        for (Change change : changes) {
            if (change instanceof Change.Put put) {
                write(connection, PUT, put.entry().logId(), put.entry());
            } else if (change instanceof Change.Add add) {
                write(connection, ADD, add.entry().logId(), add.entry());
            } else if (change instanceof Change.Remove remove) {
                write(connection, REMOVE, remove.logId(), null);
            }
        }
        return reader.take();
    }

    private static void write(Connection connection, String sql, String logId, @Nullable LogEntry entry)
            throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setString(1, logId);
            if (entry != null) {
                statement.setString(2, entry.text());
            }
            statement.executeUpdate();
        }
    }

    @Override
    public void close() {
        Connection closed = connection;
        connection = null;
        if (closed != null) {
            try {
                closed.close();
            } catch (SQLException e) {
                // the connection is not used any more
            }
        }
    }
}
