// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.postgres;

import dev.flk.backend.postgres.PoolMetrics;
import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.backend.postgres.PostgresConnector;
import dev.flk.backend.postgres.PostgresFailures;
import dev.flk.backend.postgres.Schema;
import dev.flk.backend.sessions.StoredSession;
import dev.flk.backend.sessions.StoredSession.Kind;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.flywaydb.core.api.FlywayException;

/**
 * The durable copy of sessions in Postgres: {@code sync_sessions} has the newest version of each session, and
 * {@code sync_events} every change.
 */
public final class SyncTables {
    private static final int PAGE = 500;
    private static final int REMOVED_AT_ONCE = 10_000;

    /** The classes of SQL states that mean that the row itself is refused: invalid data, constraints, limits. */
    private static final Pattern ROW_REFUSED = Pattern.compile("(22|23|54).*");

    private static final String WRITE_SESSION = """
            INSERT INTO sync_sessions AS old (id, version, kind, state, changed_at, expires_at)
            VALUES (?, ?, ?, ?::json, ?, ?)
            ON CONFLICT (id) DO UPDATE SET version = excluded.version, kind = excluded.kind, state = excluded.state,
              changed_at = excluded.changed_at, expires_at = excluded.expires_at
            WHERE old.version < excluded.version""";
    private static final String WRITE_EVENT = """
            INSERT INTO sync_events (session_id, version, kind, state, changed_at)
            VALUES (?, ?, ?, ?::json, ?) ON CONFLICT DO NOTHING""";
    private static final String READ_PAGE = """
            SELECT id, version, kind, state, changed_at, expires_at FROM sync_sessions
            WHERE id > ? AND coalesce(expires_at, changed_at) > ? ORDER BY id LIMIT ?""";
    private static final String REMOVE_EVENTS = """
            DELETE FROM sync_events WHERE ctid = ANY (ARRAY(
              SELECT ctid FROM sync_events WHERE changed_at < now() - make_interval(secs => ?) LIMIT ?))""";
    private static final String REMOVE_SESSIONS = """
            DELETE FROM sync_sessions WHERE ctid = ANY (ARRAY(
              SELECT ctid FROM sync_sessions WHERE coalesce(expires_at, changed_at) < now() - make_interval(secs => ?) LIMIT ?))""";

    private final PostgresConnector connector;
    private final PostgresFailures failures;
    private volatile boolean isMigrated;

    /** A failure of Postgres; the message is for an operator. */
    public static final class SyncException extends RuntimeException {
        private static final long serialVersionUID = 1;

        private final boolean isRowRefused;

        private SyncException(String message, Exception cause) {
            super(message, cause);
            this.isRowRefused = cause instanceof SQLException e
                    && e.getSQLState() != null
                    && ROW_REFUSED.matcher(e.getSQLState()).matches();
        }

        /** Returns whether Postgres refused a row and would refuse the same row again. */
        public boolean isRowRefused() {
            return isRowRefused;
        }
    }

    /** @param observer the observer of the statements */
    public SyncTables(PostgresConfig config, PoolMetrics.Observer observer) {
        this.connector = new PostgresConnector(config, observer);
        this.failures = PostgresFailures.of(config);
    }

    /** Opens a connection for writing; the first call creates or migrates the tables. The caller closes the writer. */
    public Writer openWriter() {
        return new Writer(connect());
    }

    private Connection connect() {
        try {
            Connection connection = connector.connect();
            if (!isMigrated) {
                try {
                    Schema.SESSIONS.requireRights(connection);
                    Schema.SESSIONS.migrate(connector);
                    isMigrated = true;
                } catch (SQLException | FlywayException e) {
                    connection.close();
                    throw e;
                }
            }
            connection.setAutoCommit(false);
            return connection;
        } catch (SQLException | FlywayException e) {
            throw failed(e);
        }
    }

    private SyncException failed(Exception e) {
        Exception first = e instanceof BatchUpdateException batch && batch.getNextException() != null
                ? batch.getNextException()
                : e;
        return new SyncException(failures.of(first).replace("POSTGRES_CONN", "SESSION_DATABASE_URL"), first);
    }

    private static void set(PreparedStatement statement, StoredSession change) throws SQLException {
        statement.setString(1, change.id());
        statement.setLong(2, change.version());
        statement.setString(3, change.kind().text());
        if (change.kind() == Kind.LIVE) {
            statement.setString(4, change.json());
        } else {
            statement.setNull(4, Types.VARCHAR);
        }
        statement.setTimestamp(5, new Timestamp(change.changedAt()));
    }

    /**
     * Reads the sessions that have not expired, and the versions of sessions that have ended recently.
     *
     * @param now the time in milliseconds since the epoch
     * @param keepMillis the time for which a version outlives its session
     */
    public void restorable(long now, long keepMillis, Consumer<List<StoredSession>> pages) {
        try (Connection connection = connect();
                PreparedStatement statement = connection.prepareStatement(READ_PAGE)) {
            String after = "";
            while (true) {
                statement.setString(1, after);
                statement.setTimestamp(2, new Timestamp(now - keepMillis));
                statement.setInt(3, PAGE);
                List<StoredSession> page = new ArrayList<>();
                try (ResultSet rows = statement.executeQuery()) {
                    while (rows.next()) {
                        Timestamp expires = rows.getTimestamp("expires_at");
                        String state = rows.getString("state");
                        page.add(new StoredSession(
                                rows.getString("id"),
                                rows.getLong("version"),
                                Kind.parse(rows.getString("kind")),
                                rows.getTimestamp("changed_at").getTime(),
                                expires == null ? 0 : expires.getTime(),
                                state == null ? "" : state));
                    }
                }
                connection.commit();
                if (page.isEmpty()) {
                    return;
                }
                pages.accept(page);
                after = page.get(page.size() - 1).id();
            }
        } catch (SQLException e) {
            throw failed(e);
        }
    }

    /** A connection for writing, used by one thread. After a failure, the caller must close the writer. */
    public final class Writer implements AutoCloseable {
        private final Connection connection;

        private Writer(Connection connection) {
            this.connection = connection;
        }

        /** Writes changes in one transaction. */
        public void write(List<StoredSession> changes) {
            try (PreparedStatement sessions = connection.prepareStatement(WRITE_SESSION);
                    PreparedStatement events = connection.prepareStatement(WRITE_EVENT)) {
                for (StoredSession each : changes) {
                    set(sessions, each);
                    if (each.kind() == Kind.LIVE) {
                        sessions.setTimestamp(6, new Timestamp(each.expiresAt()));
                    } else {
                        sessions.setNull(6, Types.TIMESTAMP_WITH_TIMEZONE);
                    }
                    sessions.addBatch();
                    set(events, each);
                    events.addBatch();
                }
                sessions.executeBatch();
                events.executeBatch();
                connection.commit();
            } catch (SQLException e) {
                SyncException failure = failed(e);
                try {
                    connection.rollback();
                } catch (SQLException broken) {
                    failure.addSuppressed(broken);
                }
                throw failure;
            }
        }

        /**
         * Removes some of the changes that are older than {@code events}, and some of the sessions that ended longer
         * than {@code sessions} ago. Removes at most {@value SyncTables#REMOVED_AT_ONCE} rows of each table.
         */
        public void removeOlder(Duration events, Duration sessions) {
            remove(REMOVE_EVENTS, events);
            remove(REMOVE_SESSIONS, sessions);
        }

        private void remove(String sql, Duration older) {
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                statement.setDouble(1, (double) older.toSeconds());
                statement.setInt(2, REMOVED_AT_ONCE);
                statement.executeUpdate();
                connection.commit();
            } catch (SQLException e) {
                throw failed(e);
            }
        }

        @Override
        public void close() {
            try {
                connection.close();
            } catch (SQLException broken) {
                // the connection is gone, and its server has rolled back what was not committed
            }
        }
    }
}
