// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.RowSql.update;

import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.backend.stores.postgres.PostgresPool;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;
import org.flywaydb.core.api.FlywayException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The rows of the record in PostgreSQL, which several backends may share. A transaction that changes any of them locks
 * the row of {@code flk_record}, so transactions become visible in the order of their numbers, and no version is based
 * on a version that is not current. What was applied is as durable as the server's {@code synchronous_commit} promises.
 *
 * <p>{@link #reopen} creates or migrates the tables, and copies the rows of 0.1.0. A call that gets no connection within
 * {@code POSTGRES_ACQUIRE_TIMEOUT} fails.
 */
public final class PostgresRows extends TableRows {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");

    private static final int COPIED_AT_ONCE = 2_000;

    /** SQL states of tables and columns that are missing, as after a restore of a dump of an earlier version. */
    private static final Set<String> OUTDATED = Set.of("42P01", "42703", "3F000");

    private final PostgresPool pool;
    private final RandomGenerator random;

    /** The positions of logs that {@link #position} returned or {@link #apply} wrote last. */
    private final Map<String, Optional<Position>> known = new ConcurrentHashMap<>();

    private volatile boolean isOpen;
    private volatile boolean isClosed;

    /**
     * Creates rows without connecting.
     *
     * @param pool the connections, which these rows own
     */
    public PostgresRows(PostgresPool pool, RandomGenerator random) {
        super(Dialect.POSTGRES);
        this.pool = pool;
        this.random = random;
    }

    private interface Change<T> {
        T in(PostgresTransaction open) throws SQLException;
    }

    @Override
    public boolean areShared() {
        return true;
    }

    @Override
    public void reopen() {
        if (isOpen) {
            return;
        }
        try {
            pool.prepare();
        } catch (SQLException | FlywayException e) {
            throw failed(e);
        }
        for (int parts = 1; change(open -> EarlierTables.copy(open, COPIED_AT_ONCE)); parts++) {
            if (isClosed) {
                throw new RecordUnavailableException("the copy of the rows of an earlier version is interrupted", null);
            }
            if (parts == 1) {
                LOG.info(
                        "the rows of an earlier version are copied in the database of the record, from tables that end with"
                                + " _before; if the backends may not remove these afterwards, do it");
            }
        }
        isOpen = true;
    }

    /**
     * Returns the position for a log, and expects that {@link #apply} finds it unchanged. Only the thread that writes
     * may call this method.
     */
    @Override
    public Optional<Position> position(String logId) {
        Optional<Position> position = super.position(logId);
        known.put(logId, position);
        return position;
    }

    /**
     * {@inheritDoc}
     *
     * @throws RecordUnavailableException if the group was not applied, or perhaps was, because the connection broke; the
     *     caller reads the {@link #position} before it applies another group of the same log
     */
    @Override
    public List<PlacedReview> apply(Group group) {
        Position position = group.position();
        List<PlacedReview> losers = changeOpen(open -> {
            if (position != null) {
                requireKnown(open.connection(), position.logId());
            }
            return new GroupWriting(open, IdFilter.NOTHING, IdFilter.NOTHING).apply(group, random.nextLong());
        });
        if (position != null && losers.isEmpty()) {
            known.put(position.logId(), Optional.of(position));
        }
        return losers;
    }

    /**
     * Throws an exception if the position of a log is not the one that this backend has seen last. Without this check, a
     * failover to a server that lacks the last groups would leave a gap.
     */
    private void requireKnown(Connection connection, String logId) throws SQLException {
        Optional<Position> expected = known.get(logId);
        if (expected != null && !expected.equals(ChangeOrder.position(connection, logId))) {
            throw new RecordUnavailableException(
                    pool.what("the record's position in the log is not the one that this backend wrote last: the"
                            + " database was restored, or another process uses the same log"),
                    null);
        }
    }

    @Override
    public void wentBack(String logId) {
        boolean unused = changeOpen(open -> {
            open.wentBack(logId, random.nextLong());
            return true;
        });
        known.put(logId, Optional.empty());
    }

    @Override
    public void requirePosition(String logId) {
        boolean unused = ask(connection -> {
            requireKnown(connection, logId);
            return true;
        });
    }

    /** Does nothing: a group is durable when {@link #apply} returns. */
    @Override
    public void sync() {}

    @Override
    public boolean sweep(Instant before) {
        return changeOpen(open -> RowRemoval.sweep(open, Dialect.POSTGRES, before.toEpochMilli()));
    }

    @Override
    <T> T ask(Question<T> question) {
        requireOpen();
        long sinceNanos = System.nanoTime();
        try {
            if (!pool.beginRead()) {
                throw failed(new SQLTransientConnectionException("no connection was free in time"));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RecordUnavailableException("a read of the record was interrupted", e);
        }
        try (Connection connection = pool.connection(sinceNanos)) {
            return PostgresConnector.commit(connection, transaction -> {
                update(transaction, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
                return question.of(transaction);
            });
        } catch (SQLException e) {
            throw failed(e);
        } finally {
            pool.endRead();
        }
    }

    private <T> T changeOpen(Change<T> change) {
        requireOpen();
        return change(change);
    }

    private <T> T change(Change<T> change) {
        try (Connection connection = pool.connection(System.nanoTime())) {
            return PostgresConnector.commit(connection, transaction -> {
                PostgresTransaction open = new PostgresTransaction(transaction);
                T result = change.in(open);
                open.finish();
                return result;
            });
        } catch (SQLException e) {
            throw failed(e);
        }
    }

    private void requireOpen() {
        if (!isOpen) {
            throw new RecordUnavailableException(pool.what("the record is not open yet"), null);
        }
    }

    private RecordUnavailableException failed(Exception e) {
        if (e instanceof SQLException sql && sql.getSQLState() != null && OUTDATED.contains(sql.getSQLState())) {
            isOpen = false; // the next opening migrates the tables
        }
        return new RecordUnavailableException(pool.what(e), e);
    }

    @Override
    public void close() {
        isClosed = true;
        pool.close();
    }
}
