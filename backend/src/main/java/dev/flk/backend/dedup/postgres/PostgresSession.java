// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.postgres;

import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import dev.flk.backend.dedup.StoreUnavailableException;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.dedup.postgres.Statements.PositionRow;
import dev.flk.backend.postgres.PostgresConnector;
import dev.flk.backend.postgres.PostgresFailures;
import dev.flk.backend.postgres.Schema;
import dev.flk.certificate.PcsId;
import java.math.BigInteger;
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
 * What holds from one connect to the next: a pool of connections, and whose token the position has. It ends at the next connect,
 * and nothing of it works after a failed put or once the position was found to be another process's. {@link #put} is called by one
 * thread, in the order of the log; everything else by any.
 */
final class PostgresSession {
    static final Schema SCHEMA =
            new Schema("flk_schema_history", "dev/flk/backend/dedup/postgres/schema", 0x666c6b5f64647570L);

    /** Tries of a transaction that was undone in favour of another. */
    private static final int TRIES = 5;

    private final StoreFailures failures;
    private final PostgresConnector connector;
    private final PositionRow position;
    private final Optional<PositionRow.Position> atConnect;
    private final HikariDataSource pool;
    private final Set<Connection> inUse = ConcurrentHashMap.newKeySet();
    private volatile @Nullable StoreUnavailableException failure;

    /** Of the last put that was acknowledged; the counter is 0 while there was none. Written by the thread of the puts. */
    private volatile Token acknowledged;

    /** Of the last put that was tried. Of the thread of the puts. */
    private Token last;

    private PostgresSession(
            PostgresConnector connector,
            StoreFailures failures,
            PositionRow position,
            Optional<PositionRow.Position> atConnect,
            Token first) {
        this.connector = connector;
        this.failures = failures;
        this.position = position;
        this.atConnect = atConnect;
        this.acknowledged = first;
        this.last = first;
        this.pool = connector.pool();
    }

    /**
     * Looks whether the server takes writes, brings the tables up to date and reads the position.
     *
     * @throws RuntimeException of Flyway, if the tables can't be made
     */
    static PostgresSession begin(
            PostgresConnector connector, StoreFailures failures, String logId, RandomGenerator random)
            throws SQLException {
        PositionRow position = new PositionRow(logId);
        try (Connection connection = connector.connect()) {
            SCHEMA.requireRights(connection);
            SCHEMA.migrate(connector);
            return new PostgresSession(connector, failures, position, position.read(connection), Token.before(random));
        }
    }

    OptionalLong completeUpTo() {
        return atConnect.isPresent() ? OptionalLong.of(atConnect.get().completeUpTo()) : OptionalLong.empty();
    }

    /** What it is used for. */
    interface Use<T> {
        T with(Connection connection) throws SQLException;
    }

    <T> T use(Use<T> use) throws SQLException {
        requireUsable();
        try (Connection connection = pool.getConnection()) {
            inUse.add(connection);
            try {
                requireUsable(); // else it would not be aborted
                connector.limitSocket(connection);
                return use.with(connection);
            } finally {
                inUse.remove(connection);
            }
        }
    }

    /** The counter that a look-up that begins now must find at least. */
    long acknowledged() {
        return acknowledged.counter();
    }

    List<Optional<StoredOutcome>> get(List<PcsId> ids, long atLeast, long nowMillis) throws SQLException {
        Statements.Found found = use(connection -> Statements.lookUp(connection, position.logId(), ids, nowMillis));
        if (!isMine(Optional.ofNullable(found.token()), atLeast)) {
            throw failed(positionLost());
        }
        return found.inOrderOf(ids);
    }

    private boolean isMine(Optional<String> found, long atLeast) {
        return found.flatMap(Token::parse)
                        .filter(token ->
                                token.incarnation().equals(acknowledged.incarnation()) && token.counter() >= atLeast)
                        .isPresent()
                || (atLeast == 0 && found.equals(atConnect.map(PositionRow.Position::token)));
    }

    List<StoredOutcome> put(List<StoredOutcome> decisions, long completeUpTo, long nowMillis) throws SQLException {
        try {
            return use(connection -> {
                connection.setAutoCommit(false);
                for (int tries = 1; ; tries++) {
                    try {
                        return putOnce(connection, decisions, completeUpTo, nowMillis);
                    } catch (SQLException e) {
                        if (tries == TRIES || !PostgresFailures.isUndoneForOthers(e)) {
                            throw e;
                        }
                        connection.rollback();
                    }
                }
            });
        } catch (SQLException | RuntimeException e) {
            throw failed(failures.of(e));
        }
    }

    private List<StoredOutcome> putOnce(
            Connection connection, List<StoredOutcome> decisions, long completeUpTo, long nowMillis)
            throws SQLException {
        Token written = acknowledged;
        Optional<String> expected =
                written.counter() == 0 ? atConnect.map(PositionRow.Position::token) : Optional.of(written.toString());
        last = last.next();
        if (!position.move(connection, expected, completeUpTo, last)) {
            connection.rollback();
            throw positionLost();
        }
        List<StoredOutcome> existing = Statements.putIfAbsent(connection, decisions, nowMillis);
        connection.commit();
        acknowledged = last;
        return existing;
    }

    private StoreUnavailableException positionLost() {
        return failures.unavailable("the position is not the one last written: the store was emptied or put back to an "
                + "older copy, or another process uses the same log");
    }

    /** Nothing works from now on; why, which is what failed first. */
    synchronized StoreUnavailableException failed(StoreUnavailableException e) {
        StoreUnavailableException first = failure;
        if (first == null) {
            failure = e;
            return e;
        }
        return first;
    }

    /** What a failed use fails with: if nothing works any more, the reason for that. */
    StoreUnavailableException reasonFor(Exception e) {
        StoreUnavailableException first = failure;
        return first == null ? failures.of(e) : first;
    }

    /** Throws why nothing works any more. */
    void requireUsable() {
        StoreUnavailableException earlier = failure;
        if (earlier != null) {
            throw earlier;
        }
    }

    HikariPoolMXBean pool() {
        return pool.getHikariPoolMXBean();
    }

    /** Drops its connections without waiting for the server, which fails what uses them, and closes the pool. */
    void end(String why) {
        StoreUnavailableException unused = failed(failures.unavailable(why));
        for (Connection connection : inUse) {
            try {
                connection.abort(Runnable::run);
            } catch (SQLException e) {
                // closing the pool gives it up too
            }
        }
        pool.close();
    }

    /**
     * What marks a position as written by one transaction of one session: {@code incarnation.counter}, the incarnation 32 hex digits
     * drawn at every connect, the counter from 1. No two transactions that took effect ever have the same.
     */
    record Token(String incarnation, long counter) {

        /** The one before the first of a session; never written. */
        static Token before(RandomGenerator random) {
            byte[] bits = new byte[16];
            random.nextBytes(bits);
            return new Token("%032x".formatted(new BigInteger(1, bits)), 0);
        }

        Token next() {
            return new Token(incarnation, counter + 1);
        }

        /** Reads what {@link #toString} wrote; empty for anything else. */
        static Optional<Token> parse(String text) {
            int dot = text.indexOf('.');
            try {
                return dot < 0
                        ? Optional.empty()
                        : Optional.of(new Token(text.substring(0, dot), Long.parseLong(text.substring(dot + 1))));
            } catch (NumberFormatException e) {
                return Optional.empty();
            }
        }

        @Override
        public String toString() {
            return incarnation + "." + counter;
        }
    }
}
