// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import dev.flk.backend.stores.postgres.Database;
import dev.flk.state.Event;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.Storage;
import dev.flk.state.postgres.DatabaseCalls.Locked;
import dev.flk.state.postgres.KnownHistory.Known;
import dev.flk.state.postgres.KnownHistory.Touches;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Iterator;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * State in PostgreSQL, shared by several backends. A commit locks the single row that contains the head of the history,
 * so that all commits have one order. Commits are as durable as the server's {@code synchronous_commit} promises. A
 * read whose connection broke is retried once; a commit is not retried, because it may have taken effect.
 */
public final class PostgresStorage implements Storage {
    private static final int FORMAT = 1;
    private static final int MOST_RESTORE_MILLIS = 600_000;

    private static final long LARGE_BATCH_BYTES = 64 << 10;
    private static final int MEBIBYTE_MILLIS = 3_000;

    private final DatabaseCalls calls;
    private final Duration statementTimeout;
    private final Supplier<String> newHistoryId;
    private final Notices notices;
    private final DocumentIndex documents;
    private final KnownHistory known;
    private final PostgresReads reads;
    private volatile Consumer<String> onMissing = cause -> {};
    private volatile String server = KnownHistory.NONE;

    /**
     * The head of the history in the database.
     *
     * @param contradiction how the database contradicts the known state; empty if it does not. After a contradiction,
     *     the history gets a new id. If the head was read with a lock, {@code head} has the new id already; otherwise,
     *     {@code head} still has the old id
     * @param since the known state before the database was read
     * @param clockMicros the server's time
     */
    private record Found(Head head, Touches touches, Optional<String> contradiction, Known since, long clockMicros) {}

    /**
     * Creates a storage that is not connected yet.
     *
     * @param database the database, which this storage owns and closes
     * @param newHistoryId generates the id of a new history
     * @param knownHistory the file that records the newest known revision; null to keep this revision only in memory
     */
    public PostgresStorage(Database database, Supplier<String> newHistoryId, @Nullable Path knownHistory) {
        this.known = new KnownHistory(knownHistory);
        this.calls = new DatabaseCalls(database);
        this.statementTimeout = database.statementTimeout();
        this.newHistoryId = newHistoryId;
        this.notices = new Notices(database);
        this.documents = new DocumentIndex(database);
        this.reads = new PostgresReads(calls, known, this::head);
    }

    @Override
    public void open() {
        known.open();
        calls.open(connection -> {
            begin(connection);
            server = server(connection);
            return connection;
        });
        head();
        known.isAt(server);
        notices.start();
    }

    /**
     * Returns the identity of the server, or {@code -} if it can't be read. The identity only helps to explain why
     * commits are missing; missing commits are detected without it.
     */
    private static String server(Connection connection) {
        try {
            return Jdbc.one(connection, Sql.SERVER, row -> row.getString(1)).orElse(KnownHistory.NONE);
        } catch (SQLException e) {
            return KnownHistory.NONE;
        }
    }

    private void begin(Connection connection) throws SQLException {
        Jdbc.update(connection, Sql.BEGIN, FORMAT, newHistoryId.get());
        int format = Jdbc.one(connection, Sql.FORMAT, row -> row.getInt(1)).orElseThrow();
        if (format != FORMAT) {
            throw Reason.STORE_DOWN.because("the state in Postgres has format " + format + ", this version reads "
                    + FORMAT + ": run the version that wrote it");
        }
    }

    @Override
    public void whenOthersCommit(LongConsumer onNewRevision) {
        notices.setListener(onNewRevision);
    }

    @Override
    public void whenAnsweredAreMissing(Consumer<String> callback) {
        onMissing = callback;
    }

    @Override
    public Head head() {
        while (true) {
            Known since = known.known();
            Found found = calls.reading(connection -> found(connection, Sql.HEAD, since));
            if (found.contradiction().isPresent()) {
                locking((connection, head) -> head);
                continue;
            }
            settle(found);
            if (known.known().historyId().equals(found.head().historyId())) {
                return found.head();
            }
        }
    }

    /** Runs a transaction that locks the head. */
    private <T> T locking(Locked<Head, T> use) {
        return lockingHead((connection, found) -> use.with(connection, found.head()))
                .result();
    }

    private <T> Done<T> lockingHead(Locked<Found, T> use) {
        Done<T> done = calls.inTransaction(
                this::locked, (connection, found) -> new Done<>(found, use.with(connection, found)));
        settle(done.found());
        return done;
    }

    private record Done<T>(Found found, T result) {}

    /**
     * Locks the head. If the database contradicts the known state, gives the history a new id in the same transaction.
     */
    private Found locked(Connection connection) throws SQLException {
        Found found = found(connection, Sql.HEAD + Sql.LOCKED, known.known());
        if (found.contradiction().isEmpty()) {
            return found;
        }
        Head head = found.head();
        String newId = newHistoryId.get();
        Jdbc.update(connection, Sql.RENAME, newId, head.historyId());
        return new Found(
                new Head(newId, head.revision(), head.committedAtMicros(), head.floor(), head.floorAtMicros()),
                found.touches(),
                found.contradiction(),
                found.since(),
                found.clockMicros());
    }

    private Found found(Connection connection, String sql, Known since) throws SQLException {
        return Jdbc.one(
                        connection,
                        sql,
                        row -> {
                            Head head = new Head(
                                    row.getString(1), row.getLong(2), row.getLong(3), row.getLong(4), row.getLong(5));
                            Touches touches = new Touches(row.getLong(8), row.getLong(9));
                            Long sinceMicros = number(row, 6);
                            Long touchedAtMicros = number(row, 10);
                            return new Found(
                                    head,
                                    touches,
                                    known.damage()
                                            .or(() -> since.contradiction(head, sinceMicros, touches, touchedAtMicros)),
                                    since,
                                    row.getLong(7));
                        },
                        since.revision(),
                        since.revision(),
                        since.touches().number(),
                        since.touches().number())
                .orElseThrow(() -> new SQLException("the table flk_state has no row"));
    }

    private static @Nullable Long number(ResultSet row, int column) throws SQLException {
        long number = row.getLong(column);
        return row.wasNull() ? null : number;
    }

    private Head head(Connection connection, String sql) throws SQLException {
        return found(connection, sql, Known.NOTHING).head();
    }

    /**
     * Records a head that was read, before any caller receives it. Reports missing commits if the history is no longer
     * the known history.
     */
    private void settle(Found found) {
        Head head = found.head();
        Known before = found.since();
        if (known.begin(head, found.touches(), before)) {
            if (found.contradiction().isPresent() || before.revision() > 0) {
                String cause = found.contradiction()
                        .orElseGet(() -> "Postgres has history " + head.historyId()
                                + ", revision " + head.revision() + ", instead of history " + before.historyId()
                                + ", whose revision " + before.revision() + " was committed");
                onMissing.accept(cause + before.movedTo(server) + "; the history is now " + head.historyId()
                        + ", and clients that follow a replay must start over");
            }
        } else {
            known.reached(head, found.touches());
        }
    }

    @Override
    public void commit(Set<StateKey> keys, Set<RequestKey> requests, Function<Existing, Batch> decide) {
        Done<Stored> done = lockingHead((connection, found) -> {
            CommitStatements statements = new CommitStatements(connection);
            Batch batch = decide.apply(new Existing(
                    found.head(), statements.existing(keys), statements.answered(requests), found.clockMicros()));
            allowTime(connection, bytes(batch));
            statements.insert(batch);
            Touches touches = found.touches();
            if (batch.events().isEmpty() && !batch.expiries().isEmpty()) {
                touches = touches.next(found.clockMicros());
                Jdbc.update(connection, Sql.COUNT_TOUCH, touches.number(), touches.atMicros());
            }
            return new Stored(batch, touches);
        });
        Stored stored = done.result();
        Head head = done.found().head();
        for (Event event : stored.batch().events()) {
            head = head.next(event.committedAtMicros());
        }
        known.reached(head, stored.touches());
        if (!stored.batch().events().isEmpty()) {
            notices.give();
            documents.added(bytes(stored.batch()));
        }
    }

    /**
     * A batch that was committed, and the touches after it. A batch is counted as a touch only if it has no revision,
     * because a loss of the batch could not be noticed otherwise.
     */
    private record Stored(Batch batch, Touches touches) {}

    private static long bytes(Batch batch) {
        return batch.events().stream().mapToLong(Event::bytes).sum();
    }

    /**
     * Raises the timeout for the statements of a large batch in proportion to its size, so that a transaction within
     * the limits does not fail because it is large.
     */
    private void allowTime(Connection connection, long bytes) throws SQLException {
        if (bytes > LARGE_BATCH_BYTES) {
            int millis = (int) (statementTimeout.toMillis() + MEBIBYTE_MILLIS * bytes / (1 << 20));
            Jdbc.execute(connection, "SET LOCAL statement_timeout = " + millis);
            connection.setNetworkTimeout(Runnable::run, millis + millis / 4);
        }
    }

    @Override
    public <T> T read(Function<Reads, T> reading) {
        return reading.apply(reads);
    }

    @Override
    public void compact(long floor) {
        locking((connection, head) -> Jdbc.update(connection, Sql.RAISE_FLOOR, floor, floor, floor) > 0);
        while (locking((connection, head) -> RemovalPart.compact(connection, head.floor()))) {
            // one part per transaction, so that other backends can commit in between
        }
    }

    @Override
    public void trim(String namespace, long upTo) {
        calls.inTransaction(connection -> {
            Jdbc.update(connection, Sql.RAISE_TRIMMED, namespace, upTo);
            return true;
        });
        while (locking((connection, head) -> RemovalPart.trim(connection, namespace, upTo))) {
            // one part per transaction, as in compact
        }
    }

    @Override
    public long trimmedUpTo(String namespace) {
        return calls.reading(connection -> Jdbc.one(connection, Sql.TRIMMED, row -> row.getLong(1), namespace)
                .orElse(0L));
    }

    @Override
    public void restore(long floor, long floorAtMicros, Iterator<Event> events, long nowMicros) {
        Known since = known.known();
        Head restored = calls.inTransaction(connection -> {
            connection.setNetworkTimeout(Runnable::run, MOST_RESTORE_MILLIS);
            Jdbc.execute(connection, Sql.TAKE_TIME);
            requireEmpty(head(connection, Sql.HEAD + Sql.LOCKED));
            return new CommitStatements(connection)
                    .restore(floor, floorAtMicros, events, nowMicros, newHistoryId.get());
        });
        known.begin(restored, Touches.NONE, since);
    }

    @Override
    public boolean forgetAnswers(long nowMicros) {
        return calls.inTransaction(
                connection -> Jdbc.update(connection, Sql.FORGET, nowMicros) == Sql.FORGOTTEN_AT_ONCE);
    }

    @Override
    public long clockMicros() {
        return calls.reading(connection -> found(connection, Sql.HEAD, Known.NOTHING))
                .clockMicros();
    }

    @Override
    public long keys() {
        return calls.reading(connection ->
                Jdbc.one(connection, Sql.KEY_COUNT, row -> row.getLong(1)).orElseThrow());
    }

    @Override
    public long bytes() {
        return calls.reading(connection ->
                Jdbc.one(connection, Sql.BYTES, row -> row.getLong(1)).orElseThrow());
    }

    @Override
    public void close() {
        notices.close();
        documents.close();
        calls.close();
        known.close();
    }
}
