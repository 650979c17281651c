// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.postgres;

import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.dedup.StoreUnavailableException;
import dev.flk.certificate.PcsId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * What holds from one connect to the next: a pool of connections, and whose token the position has. It ends at the next connect,
 * and nothing of it works after a failed put or once the position was found to be somebody else's. {@link #put} is called by one
 * thread, in the order of the log; everything else by any.
 */
final class Session {
    /** Tries of a transaction that was undone in favour of another. */
    private static final int TRIES = 5;

    private final Trouble trouble;
    private final Server server;
    private final PositionRow position;
    private final Optional<PositionRow.Position> atConnect;
    private final HikariDataSource pool;
    private final Set<Connection> inUse = ConcurrentHashMap.newKeySet();
    private final AtomicLong uses = new AtomicLong();
    private final Map<Long, CompletableFuture<?>> outstanding = new ConcurrentHashMap<>();
    private volatile @Nullable StoreUnavailableException failure;

    /** Of the last put that was acknowledged; the counter is 0 while there was none. Written by the thread of the puts. */
    private volatile Token acknowledged;

    /** Of the last put that was tried. Of the thread of the puts. */
    private Token last;

    private Session(
            Server server,
            Trouble trouble,
            PositionRow position,
            Optional<PositionRow.Position> atConnect,
            Token first) {
        this.server = server;
        this.trouble = trouble;
        this.position = position;
        this.atConnect = atConnect;
        this.acknowledged = first;
        this.last = first;
        this.pool = server.pool();
    }

    /**
     * Looks whether the server takes writes, brings the tables up to date and reads the position.
     *
     * @throws StoreUnavailableException if the tables can't be made
     */
    static Session begin(Server server, Trouble trouble, String logId, RandomGenerator random) throws SQLException {
        PositionRow position = new PositionRow(logId);
        try (Connection connection = server.connect()) {
            requireWritable(connection);
            Schema.requireRight(connection);
            Schema.migrate(server, trouble);
            return new Session(server, trouble, position, position.read(connection), Token.before(random));
        }
    }

    private static void requireWritable(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT current_setting('transaction_read_only')")) {
            if (row.next() && row.getString(1).equals("on")) {
                throw new SQLException("the server is read-only", "25006");
            }
        }
    }

    OptionalLong completeUpTo() {
        return atConnect.isPresent() ? OptionalLong.of(atConnect.get().completeUpTo()) : OptionalLong.empty();
    }

    /** What it is used for. */
    interface Use<T> {
        T with(Connection connection) throws SQLException;
    }

    /** A result that fails when this ends, whatever becomes of it. */
    <T> CompletableFuture<T> expected() {
        CompletableFuture<T> result = new CompletableFuture<>();
        long number = uses.incrementAndGet();
        outstanding.put(number, result);
        var unused = result.whenComplete((value, thrown) -> outstanding.remove(number));
        StoreUnavailableException ended = failure;
        if (ended != null) {
            result.completeExceptionally(ended);
        }
        return result;
    }

    <T> T use(Use<T> use) throws SQLException {
        requireUsable();
        try (Connection connection = pool.getConnection()) {
            inUse.add(connection);
            try {
                requireUsable(); // else nobody would abort it
                server.limitSocket(connection);
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

    List<Optional<Recorded>> get(List<PcsId> ids, long atLeast, long nowMillis) throws SQLException {
        OutcomeRows.Found found = use(connection -> OutcomeRows.lookUp(connection, position.logId(), ids, nowMillis));
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

    List<Recorded> put(List<Recorded> decisions, long completeUpTo, long nowMillis) throws SQLException {
        try {
            return use(connection -> {
                connection.setAutoCommit(false);
                for (int tries = 1; ; tries++) {
                    try {
                        return putOnce(connection, decisions, completeUpTo, nowMillis);
                    } catch (SQLException e) {
                        if (tries == TRIES || !Trouble.isUndoneForOthers(e)) {
                            throw e;
                        }
                        connection.rollback();
                    }
                }
            });
        } catch (SQLException e) {
            throw failed(trouble.of(e));
        } catch (StoreUnavailableException e) {
            throw failed(e);
        } catch (RuntimeException e) {
            throw failed(trouble.unavailable(e.toString(), e));
        }
    }

    private List<Recorded> putOnce(Connection connection, List<Recorded> decisions, long completeUpTo, long nowMillis)
            throws SQLException {
        Token written = acknowledged;
        Optional<String> expected =
                written.counter() == 0 ? atConnect.map(PositionRow.Position::token) : Optional.of(written.toString());
        last = last.next();
        if (!position.move(connection, expected, completeUpTo, last)) {
            connection.rollback();
            throw positionLost();
        }
        List<Recorded> standing = OutcomeRows.putIfAbsent(connection, decisions, nowMillis);
        connection.commit();
        acknowledged = last;
        return standing;
    }

    private StoreUnavailableException positionLost() {
        return trouble.unavailable("the position is not the one last written: the store was emptied or put back to an "
                + "older copy, or another process uses the same log");
    }

    /** Nothing works from now on. */
    StoreUnavailableException failed(StoreUnavailableException e) {
        if (failure == null) {
            failure = e;
        }
        return e;
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

    /** Fails what is outstanding, drops its connections without waiting for the server, and closes the pool. */
    void end(String why) {
        StoreUnavailableException ended = failed(trouble.unavailable(why));
        for (CompletableFuture<?> result : outstanding.values()) {
            result.completeExceptionally(ended);
        }
        for (Connection connection : inUse) {
            try {
                connection.abort(Runnable::run);
            } catch (SQLException e) {
                // closing the pool gives it up too
            }
        }
        pool.close();
    }

    /** The row of one log in {@code flk_positions}: how far it is recorded here, and the token of who wrote that. */
    record PositionRow(String logId) {
        static final String READ = "SELECT complete_up_to, token FROM flk_positions WHERE log_id = ?";
        static final String MOVE =
                "UPDATE flk_positions SET complete_up_to = ?, token = ? WHERE log_id = ? AND token = ?";
        static final String BEGIN = """
                INSERT INTO flk_positions (complete_up_to, token, log_id) VALUES (?, ?, ?)
                ON CONFLICT (log_id) DO NOTHING""";

        /** What stands there. */
        record Position(long completeUpTo, String token) {}

        Optional<Position> read(Connection connection) throws SQLException {
            try (PreparedStatement statement = connection.prepareStatement(READ)) {
                statement.setString(1, logId);
                try (ResultSet row = statement.executeQuery()) {
                    return row.next() ? Optional.of(new Position(row.getLong(1), row.getString(2))) : Optional.empty();
                }
            }
        }

        /**
         * Writes the position if the row has this token, or, with none expected, if there is no row; it is locked from then on.
         *
         * @return whether it did
         */
        boolean move(Connection connection, Optional<String> expected, long completeUpTo, Token next)
                throws SQLException {
            try (PreparedStatement statement = connection.prepareStatement(expected.isPresent() ? MOVE : BEGIN)) {
                statement.setLong(1, completeUpTo);
                statement.setString(2, next.toString());
                statement.setString(3, logId);
                if (expected.isPresent()) {
                    statement.setString(4, expected.get());
                }
                return statement.executeUpdate() == 1;
            }
        }
    }
}
