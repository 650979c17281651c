// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import dev.flk.backend.stores.postgres.Database;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.time.Duration;
import java.util.Set;

/**
 * A runner of reads and transactions, each on a connection of its own. An SQL error becomes a {@link StateException}.
 * Safe for any thread.
 */
final class DatabaseCalls implements AutoCloseable {
    /** The SQL state of a statement that exceeded its timeout. */
    static final String TOOK_TOO_LONG = "57014";

    private static final String DISK_FULL = "53100";
    private static final Set<String> STOPPED = Set.of("57P01", "57P02");
    /** SQL states of statements that timed out or were rolled back in favour of other transactions. */
    private static final Set<String> UNDONE = Set.of(TOOK_TOO_LONG, "40001", "40P01", "55P03");

    /** SQL states of tables and columns that are missing, as after a restore of a dump of an earlier version. */
    private static final Set<String> OUTDATED = Set.of("42P01", "42703");

    private static final Duration MOST_WAIT_FOR_HEAD = Duration.ofSeconds(45);

    private final Database database;
    private volatile boolean isPrepared;
    /** Whether the next {@link #open} must prepare the database again. */
    private volatile boolean isOutdated;

    private volatile boolean isClosed;

    /** Creates an object that owns {@code database} and closes it. Only {@link #open} connects to the server. */
    DatabaseCalls(Database database) {
        this.database = database;
    }

    interface Use<T> {
        T with(Connection connection) throws SQLException;
    }

    interface Locked<L, T> {
        T with(Connection connection, L head) throws SQLException;
    }

    /**
     * Prepares the database, unless an earlier call has succeeded and no table was missing since, and runs a step. One
     * call must succeed before any read or transaction.
     */
    void open(Use<?> step) {
        requireNotClosed();
        try {
            if (!isPrepared || isOutdated) {
                database.prepare();
                isOutdated = false;
            }
            try (Connection connection = database.connection(System.nanoTime())) {
                step.with(connection);
            }
        } catch (SQLException e) {
            throw failed(e);
        } catch (StateException e) {
            throw e;
        } catch (RuntimeException e) {
            throw StateException.down(database.what(e), e);
        }
        isPrepared = true;
    }

    /** Runs a read, and repeats it once if its connection broke. Reads always leave one connection free for commits. */
    <T> T reading(Use<T> use) {
        requireOpen();
        long sinceNanos = System.nanoTime();
        try {
            if (!database.beginRead()) {
                throw Reason.TOO_MANY_TX.because("all connections to Postgres are in use, try again in a moment;"
                        + " if this happens often, raise POSTGRES_POOL_MAX");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw StateException.gaveUp("interrupted while waiting for a connection to Postgres");
        }
        try {
            return readingOnce(use, sinceNanos);
        } catch (SQLException e) {
            throw failed(e);
        } finally {
            database.endRead();
        }
    }

    private <T> T readingOnce(Use<T> use, long sinceNanos) throws SQLException {
        try (Connection connection = database.connection(sinceNanos)) {
            connection.setAutoCommit(false); // the driver fetches rows in parts only within a transaction
            return use.with(connection);
        } catch (SQLException e) {
            if (e instanceof SQLTransientConnectionException || !isLost(e)) {
                // the read is not repeated, because no connection broke: the pool had no free connection in time, or
                // only the statement failed
                throw e;
            }
        }
        try (Connection another = database.connection(System.nanoTime())) {
            another.setAutoCommit(false);
            return use.with(another);
        }
    }

    <T> T inTransaction(Use<T> use) {
        requireOpen();
        try (Connection connection = database.connection(System.nanoTime())) {
            connection.setAutoCommit(false);
            T result = use.with(connection);
            connection.commit();
            return result;
        } catch (SQLException e) {
            throw failed(e);
        }
    }

    /**
     * Runs a transaction that locks the head first. Another backend may hold the lock for longer than the statement
     * timeout while it commits a large batch; a wait that times out is therefore repeated, for about 45 seconds in
     * total.
     *
     * @param lock a step that locks the head and reads it
     */
    <L, T> T inTransaction(Use<L> lock, Locked<L, T> use) {
        requireOpen();
        try (Connection connection = database.connection(System.nanoTime())) {
            connection.setAutoCommit(false);
            T result = use.with(connection, locked(connection, lock));
            connection.commit();
            return result;
        } catch (SQLException e) {
            throw failed(e);
        }
    }

    private <L> L locked(Connection connection, Use<L> lock) throws SQLException {
        long beganNanos = System.nanoTime();
        while (true) {
            try {
                return lock.with(connection);
            } catch (SQLException e) {
                if (!TOOK_TOO_LONG.equals(e.getSQLState())) {
                    throw e;
                }
                if (System.nanoTime() - beganNanos >= MOST_WAIT_FOR_HEAD.toNanos() || isClosed) {
                    throw StateException.down(
                            "another session keeps the row of flk_state locked; look for the session in pg_locks", e);
                }
                connection.rollback();
            }
        }
    }

    private static boolean isLost(SQLException e) {
        String state = String.valueOf(e.getSQLState());
        return state.startsWith("08") || STOPPED.contains(state);
    }

    /**
     * Translates an error into the exception that the caller receives. An error that concerns only one statement, or a
     * full disk, affects only the call that ran the statement; any other error is an outage for all callers.
     */
    private StateException failed(SQLException e) {
        String state = String.valueOf(e.getSQLState());
        if (state.equals(DISK_FULL)) {
            return Reason.DISK_FULL.because(database.what(e));
        }
        if (OUTDATED.contains(state)) {
            isOutdated = true;
        }
        if (UNDONE.contains(state)) {
            return StateException.gaveUp(database.what(e));
        }
        return state.startsWith("22") || state.startsWith("54")
                ? Reason.INVALID.because(database.what(e))
                : StateException.down(database.what(e), e);
    }

    private void requireNotClosed() {
        if (isClosed) {
            throw Reason.STORE_DOWN.because("the state is closed");
        }
    }

    private void requireOpen() {
        requireNotClosed();
        if (!isPrepared) {
            throw Reason.STARTING.because("the state in Postgres is being opened");
        }
    }

    @Override
    public void close() {
        isClosed = true;
        database.close();
    }
}
