// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.WriteMark;
import dev.flk.backend.outcomes.postgres.Statements.PositionRow;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.backend.stores.postgres.PostgresConnector.Use;
import dev.flk.backend.stores.postgres.PostgresFailures;
import dev.flk.backend.stores.postgres.Schema;
import dev.flk.certificate.PcsId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The state between two calls of {@link PostgresStore#connect}: a pool of connections and the token of the position,
 * which each put replaces. After a put has failed, or a look-up has found a token that it does not accept, all calls
 * fail. A look-up accepts the token of the last put of this session that was acknowledged before the look-up began, and
 * the tokens of later puts of this session. If no put had been acknowledged, it also accepts the token that the session
 * read when it connected. One thread calls {@link #put}, in log order; any thread may call the other methods.
 */
final class PostgresSession {
    private final StoreFailures failures;
    private final PostgresConnector connector;
    private final PositionRow position;
    private final Optional<PositionRow.Position> atConnect;
    private final HikariDataSource pool;
    private final Set<Connection> inUse = ConcurrentHashMap.newKeySet();
    private volatile @Nullable StoreUnavailableException failure;

    /**
     * The token of the last acknowledged put; before the first put, a token with the counter 0. Only the thread of the
     * puts writes this field.
     */
    private volatile WriteMark acknowledged;

    /** The token of the last attempted put. Used by the thread of the puts only. */
    private WriteMark last;

    private PostgresSession(
            PostgresConnector connector,
            StoreFailures failures,
            PositionRow position,
            Optional<PositionRow.Position> atConnect,
            WriteMark first) {
        this.connector = connector;
        this.failures = failures;
        this.position = position;
        this.atConnect = atConnect;
        this.acknowledged = first;
        this.last = first;
        this.pool = connector.pool();
    }

    /**
     * Checks that the server accepts writes, brings the tables up to date, opens the pool and reads the position.
     *
     * @throws RuntimeException from Flyway, if the tables can't be created or migrated
     */
    static PostgresSession begin(
            PostgresConnector connector, StoreFailures failures, String logId, RandomGenerator random)
            throws SQLException {
        PositionRow position = new PositionRow(logId);
        try (Connection connection = connector.connect()) {
            Schema.DEDUP.requireRights(connection);
            Schema.DEDUP.migrate(connector);
            return new PostgresSession(
                    connector,
                    failures,
                    position,
                    position.read(connection),
                    WriteMark.drawn(random, PositionRow.INCARNATION_BYTES));
        }
    }

    OptionalLong completeUpTo() {
        return atConnect.isPresent() ? OptionalLong.of(atConnect.get().completeUpTo()) : OptionalLong.empty();
    }

    /** @param sinceNanos the time at which the call began to wait for a connection */
    <T> T use(long sinceNanos, Use<T> use) throws SQLException {
        requireUsable();
        try (Connection connection = connector.connection(pool, sinceNanos)) {
            inUse.add(connection);
            try {
                requireUsable(); // checked again, because end() aborts only connections that were added before
                return use.with(connection);
            } finally {
                inUse.remove(connection);
            }
        }
    }

    /**
     * Returns the counter in the token of the last acknowledged put. A look-up that begins now must find a token with
     * at least this counter.
     */
    long acknowledged() {
        return acknowledged.counter();
    }

    List<Optional<StoredOutcome>> get(long sinceNanos, List<PcsId> ids, long atLeast, long nowMillis)
            throws SQLException {
        Statements.Found found =
                use(sinceNanos, connection -> Statements.lookUp(connection, position.logId(), ids, nowMillis));
        if (!isMine(Optional.ofNullable(found.token()), atLeast)) {
            throw failed(positionLost());
        }
        return found.inOrderOf(ids);
    }

    private boolean isMine(Optional<String> found, long atLeast) {
        return found.flatMap(PositionRow::markIn)
                        .filter(new WriteMark(acknowledged.incarnation(), atLeast)::isReachedBy)
                        .isPresent()
                || (atLeast == 0 && found.equals(atConnect.map(PositionRow.Position::token)));
    }

    List<StoredOutcome> put(long sinceNanos, List<StoredOutcome> decisions, long completeUpTo, long nowMillis)
            throws SQLException {
        try {
            return use(sinceNanos, connection -> {
                List<StoredOutcome> existing = PostgresConnector.commit(
                        connection, transaction -> putOnce(transaction, decisions, completeUpTo, nowMillis));
                acknowledged = last;
                return existing;
            });
        } catch (SQLException | RuntimeException e) {
            throw failed(failures.of(e));
        }
    }

    private List<StoredOutcome> putOnce(
            Connection connection, List<StoredOutcome> decisions, long completeUpTo, long nowMillis)
            throws SQLException {
        WriteMark written = acknowledged;
        Optional<String> expected = written.counter() == 0
                ? atConnect.map(PositionRow.Position::token)
                : Optional.of(PositionRow.token(written));
        last = last.next();
        if (!position.move(connection, expected, completeUpTo, last)) {
            connection.rollback();
            throw positionLost();
        }
        return Statements.putIfAbsent(connection, position.logId(), decisions, nowMillis);
    }

    private StoreUnavailableException positionLost() {
        return failures.unavailable(
                "the stored position is not the position that this backend wrote last: the store was emptied or"
                        + " restored from an older copy, or another process uses the same log");
    }

    /** Makes all further calls fail. Returns the first failure of the session. */
    synchronized StoreUnavailableException failed(StoreUnavailableException e) {
        StoreUnavailableException first = failure;
        if (first == null) {
            failure = e;
            return e;
        }
        return first;
    }

    /**
     * Returns the exception to report for a failed use: the session's failure if there is one, otherwise a translation
     * of {@code e}.
     */
    StoreUnavailableException reasonFor(Exception e) {
        StoreUnavailableException first = failure;
        return first == null ? failures.of(e) : first;
    }

    /** Throws the session's failure, if there is one. */
    void requireUsable() {
        StoreUnavailableException earlier = failure;
        if (earlier != null) {
            throw earlier;
        }
    }

    HikariPoolMXBean pool() {
        return pool.getHikariPoolMXBean();
    }

    /**
     * Aborts the connections in use without waiting for the server, and closes the pool. The calls that use these
     * connections fail. All later calls fail, too.
     */
    void end(String why) {
        failed(failures.unavailable(why));
        for (Connection connection : inUse) {
            try {
                connection.abort(Runnable::run);
            } catch (SQLException e) {
                // closing the pool closes this connection, too
            }
        }
        pool.close();
    }

    /** A factory of the store's exceptions, whose messages are written for operators. */
    record StoreFailures(PostgresFailures words) {
        static StoreFailures of(PostgresConfig config) {
            return new StoreFailures(PostgresFailures.of(config));
        }

        StoreUnavailableException of(Exception thrown) {
            return thrown instanceof StoreUnavailableException known
                    ? known
                    : new StoreUnavailableException(words.of(thrown), thrown);
        }

        StoreUnavailableException unavailable(String what, Throwable cause) {
            return new StoreUnavailableException(words.of(what), cause);
        }

        StoreUnavailableException unavailable(String what) {
            return new StoreUnavailableException(words.of(what));
        }
    }
}
