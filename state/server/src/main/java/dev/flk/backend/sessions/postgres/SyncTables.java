// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.postgres;

import dev.flk.backend.sessions.StoredSession;
import dev.flk.backend.sessions.StoredSession.Kind;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.backend.stores.postgres.PostgresFailures;
import dev.flk.backend.stores.postgres.Schema;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.flywaydb.core.api.FlywayException;

/**
 * The durable copy of sessions in Postgres: {@code sync_sessions} has the newest version of each session, and
 * {@code sync_events} every change. {@code sync_generation} has the generation of the versions. A restore of Redis begins
 * a generation before it reads the sessions; from then on, changes that were read from Redis before are refused, so the
 * restore reads all that is ever written of earlier generations.
 */
public final class SyncTables {
    private static final int PAGE = 500;
    private static final int REMOVED_AT_ONCE = 10_000;

    /**
     * The SQL states that do not concern a row: broken connections (08), read-only servers and ended transactions (25),
     * logins (28, 3D), conflicts of transactions (40), a lack of resources (53), a stopping server (57P), failures of
     * its machine (58), tables and columns that are missing, and statements that a pooler has mixed up (26000, 42P05).
     * Any other state may concern one row only, such as an error of a trigger (P0001), a missing privilege (42501), a
     * lock (55P03) or a statement that took too long (57014).
     */
    private static final Pattern NOT_OF_A_ROW = Pattern.compile("(08|25|28|3D|40|53|57P|58).*|26000|42P01|42P05|42703");

    /** SQL states of tables and columns that are missing, as after a restore of a dump of an earlier version. */
    private static final Set<String> OUTDATED = Set.of("42P01", "42703");

    private static final String WRITE_SESSION = """
            INSERT INTO sync_sessions AS old (id, version, kind, state, changed_at, expires_at)
            VALUES (?, ?, ?, ?::json, ?, ?)
            ON CONFLICT (id) DO UPDATE SET version = excluded.version, kind = excluded.kind, state = excluded.state,
              changed_at = excluded.changed_at, expires_at = excluded.expires_at
            WHERE old.version < excluded.version""";
    private static final String WRITE_EVENT = """
            INSERT INTO sync_events (session_id, version, kind, state, changed_at)
            VALUES (?, ?, ?, ?::json, ?) ON CONFLICT DO NOTHING""";
    private static final String READ_EVENT = """
            SELECT FROM sync_events WHERE session_id = ? AND version = ? AND kind = ?
            AND state::text IS NOT DISTINCT FROM ? AND changed_at = ?""";
    /** Locks the generation, so that another one can't begin before the transaction ends. */
    private static final String READ_GENERATION = "SELECT generation FROM sync_generation FOR SHARE";

    private static final String BEGIN_GENERATION = """
            UPDATE sync_generation SET restore = ?, generation = CASE restore WHEN ? THEN generation
              WHEN '' THEN greatest(generation, ?) ELSE greatest(generation, ?) + 1 END
            RETURNING generation""";
    private static final String READ_VERSIONS = "SELECT id, version FROM sync_sessions WHERE id = ANY (?)";
    private static final String WRITE_SESSION_AGAIN = """
            INSERT INTO sync_sessions (id, version, kind, state, changed_at, expires_at)
            SELECT id, version, kind, state, changed_at, expires_at FROM sync_sessions LIMIT 1
            ON CONFLICT (id) DO UPDATE SET version = excluded.version""";
    private static final String WRITE_EVENT_AGAIN = """
            INSERT INTO sync_events (session_id, version, kind, state, changed_at)
            SELECT id, version, kind, state, changed_at FROM sync_sessions LIMIT 1 ON CONFLICT DO NOTHING""";
    /** An id that no session has. */
    private static final String NO_ID = "\u0001";

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

        private final boolean isPerhapsOfARow;

        private SyncException(String message, Exception cause, boolean isPerhapsOfARow) {
            super(message, cause);
            this.isPerhapsOfARow = isPerhapsOfARow;
        }

        /** Returns whether Postgres may accept other rows. */
        public boolean isPerhapsOfARow() {
            return isPerhapsOfARow;
        }
    }

    /** The failure of a write because Postgres has another generation than Redis had when the changes were read. */
    public static final class OtherGenerationException extends Exception {
        private static final long serialVersionUID = 1;

        private final long expected;

        private OtherGenerationException(long expected, long present) {
            super("Redis has generation " + expected + " of the sessions, Postgres " + present, null, false, false);
            this.expected = expected;
        }

        /** Returns the generation of Redis. */
        public long expected() {
            return expected;
        }
    }

    /**
     * The changes that a write did not store.
     *
     * @param superseded the number of changes that Postgres already had, or whose session has a newer version; the events
     *     of the latter were stored
     * @param conflicting the changes for which Postgres has another change with the same version
     */
    public record Unwritten(int superseded, List<StoredSession> conflicting) {}

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
        return failed(e, false);
    }

    /**
     * Describes a failure. If a table or column is missing, has the next connection migrate the tables again.
     *
     * @param isOfRows whether it is the failure of a statement that writes or removes rows
     */
    private SyncException failed(Exception e, boolean isOfRows) {
        Exception first = e instanceof BatchUpdateException batch && batch.getNextException() != null
                ? batch.getNextException()
                : e;
        String state = first instanceof SQLException sql ? sql.getSQLState() : null;
        if (state != null && OUTDATED.contains(state)) {
            isMigrated = false;
        }
        return new SyncException(
                failures.of(first).replace("POSTGRES_CONN", "SESSION_DATABASE_URL"),
                first,
                isOfRows && state != null && !NOT_OF_A_ROW.matcher(state).matches());
    }

    /**
     * Begins a generation before a restore of Redis, or returns the generation that was begun for the same restore. Waits
     * for changes that are being written. Later writes of changes that were read in earlier generations are refused. The
     * first restore into empty tables begins no generation, because no version has been given out.
     *
     * @param restore the mark of the restore
     * @param least the generation that Redis has
     */
    public long beginGeneration(String restore, long least) {
        try (Connection connection = connect();
                PreparedStatement statement = connection.prepareStatement(BEGIN_GENERATION)) {
            statement.setString(1, restore);
            statement.setString(2, restore);
            statement.setLong(3, least);
            statement.setLong(4, least);
            try (ResultSet row = statement.executeQuery()) {
                long generation = generation(row);
                connection.commit();
                return generation;
            }
        } catch (SQLException e) {
            throw failed(e);
        }
    }

    private static long generation(ResultSet row) throws SQLException {
        if (!row.next()) {
            throw new SQLException("the table sync_generation is empty; restore it from a backup", "42P01");
        }
        return row.getLong(1);
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

    /** A connection for writing, used by one thread. */
    public final class Writer implements AutoCloseable {
        private final Connection connection;

        private Writer(Connection connection) {
            this.connection = connection;
        }

        /**
         * Writes changes in one transaction.
         *
         * @param generation the generation that Redis had before the changes were read
         */
        public Unwritten write(long generation, List<StoredSession> changes) throws OtherGenerationException {
            requireGeneration(generation);
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
                int[] storedSessions = sessions.executeBatch();
                int[] storedEvents = events.executeBatch();
                int superseded = 0;
                List<StoredSession> conflicting = new ArrayList<>();
                for (int i = 0; i < changes.size(); i++) {
                    if (storedEvents[i] == 0 && !hasEvent(changes.get(i))) {
                        conflicting.add(changes.get(i));
                    } else if (storedSessions[i] == 0) {
                        superseded++;
                    }
                }
                connection.commit();
                return new Unwritten(superseded, conflicting);
            } catch (SQLException e) {
                throw rolledBack(failed(e, true));
            }
        }

        private void requireGeneration(long expected) throws OtherGenerationException {
            try {
                long present = readGeneration();
                if (present != expected) {
                    connection.rollback();
                    throw new OtherGenerationException(expected, present);
                }
            } catch (SQLException e) {
                throw rolledBack(failed(e));
            }
        }

        private long readGeneration() throws SQLException {
            try (PreparedStatement statement = connection.prepareStatement(READ_GENERATION);
                    ResultSet row = statement.executeQuery()) {
                return generation(row);
            }
        }

        private boolean hasEvent(StoredSession change) throws SQLException {
            try (PreparedStatement statement = connection.prepareStatement(READ_EVENT)) {
                set(statement, change);
                try (ResultSet rows = statement.executeQuery()) {
                    return rows.next();
                }
            }
        }

        private SyncException rolledBack(SyncException failure) {
            try {
                connection.rollback();
            } catch (SQLException broken) {
                failure.addSuppressed(broken);
            }
            return failure;
        }

        /**
         * Throws an exception if the generation can't be read, or if Postgres does not even accept a row that it already
         * has, or, if it has none, a session that has expired. Changes nothing.
         */
        public void requireAccepting() {
            try (PreparedStatement session = connection.prepareStatement(WRITE_SESSION_AGAIN);
                    PreparedStatement event = connection.prepareStatement(WRITE_EVENT_AGAIN)) {
                long unused = readGeneration();
                if (session.executeUpdate() == 0) {
                    try (PreparedStatement expired = connection.prepareStatement(WRITE_SESSION)) {
                        set(expired, new StoredSession(NO_ID, 1, Kind.EXPIRED, 0, 0, ""));
                        expired.setNull(6, Types.TIMESTAMP_WITH_TIMEZONE);
                        expired.executeUpdate();
                    }
                }
                event.executeUpdate();
                connection.rollback();
            } catch (SQLException e) {
                throw rolledBack(failed(e));
            }
        }

        /** Returns those versions of sessions that are newer than the versions in Postgres. */
        public List<StoredSession> newer(List<StoredSession> versions) {
            Map<String, Long> present = new HashMap<>();
            try (PreparedStatement statement = connection.prepareStatement(READ_VERSIONS)) {
                statement.setArray(
                        1,
                        connection.createArrayOf(
                                "text", versions.stream().map(StoredSession::id).toArray()));
                try (ResultSet rows = statement.executeQuery()) {
                    while (rows.next()) {
                        present.put(rows.getString("id"), rows.getLong("version"));
                    }
                }
                connection.commit();
            } catch (SQLException e) {
                throw rolledBack(failed(e));
            }
            return versions.stream()
                    .filter(version -> present.getOrDefault(version.id(), 0L) < version.version())
                    .toList();
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
                throw rolledBack(failed(e, true));
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
