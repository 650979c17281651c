// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.postgres.ChangeCursor.Head;
import dev.flk.backend.outcomes.postgres.RecordStatements.Changes;
import dev.flk.backend.outcomes.postgres.RecordStatements.Current;
import dev.flk.backend.outcomes.postgres.RecordStatements.Inserted;
import dev.flk.backend.outcomes.postgres.RecordStatements.Numbered;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.backend.stores.postgres.PostgresConnector.Use;
import dev.flk.backend.stores.postgres.PostgresPool;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;
import org.flywaydb.core.api.FlywayException;
import org.jspecify.annotations.Nullable;

/**
 * The rows of the record in PostgreSQL, which several backends may share. Each version and each review has a number,
 * which is the order of {@link #changes}. A transaction that adds or removes any of them locks the row of {@code
 * flk_record}, so transactions become visible in the order of their numbers, and no version is based on a version that
 * is not current. What was applied is as durable as the server's {@code synchronous_commit} promises.
 *
 * <p>The first call that reaches the server creates or migrates the tables. A call that gets no connection within {@code
 * POSTGRES_ACQUIRE_TIMEOUT} fails.
 */
public final class PostgresRows implements OutcomeRows {
    private static final int REMOVED_AT_ONCE = 500;

    /** The maximum number of changes in one answer of {@link #changes}. */
    private static final int MOST_CHANGES = 200;

    /** SQL states of tables and columns that are missing, as after a restore of a dump of an earlier version. */
    private static final Set<String> OUTDATED = Set.of("42P01", "42703", "3F000");

    private final PostgresPool pool;
    private final RandomGenerator random;

    /** The positions of logs that {@link #position} returned or {@link #apply} wrote last. */
    private final Map<String, Optional<Position>> known = new ConcurrentHashMap<>();

    // set under the lock of this
    private volatile boolean isMigrated;

    /**
     * Creates rows without connecting.
     *
     * @param pool the connections, which these rows own
     */
    public PostgresRows(PostgresPool pool, RandomGenerator random) {
        this.pool = pool;
        this.random = random;
    }

    @Override
    public boolean areShared() {
        return true;
    }

    /**
     * Returns the position for a log, and expects that {@link #apply} finds it unchanged. Only the thread that writes
     * may call this method.
     */
    @Override
    public Optional<Position> position(String logId) {
        Optional<Position> position = read(connection -> RecordStatements.position(connection, logId));
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
        List<Placed> given = group.placed();
        List<RowKey> keys =
                given.stream().map(each -> each.version().key()).distinct().toList();
        Position position = group.position();
        String logId = position == null ? null : position.logId();
        List<PlacedReview> losers = write(connection -> {
            Head head = RecordStatements.lock(connection);
            if (position != null) {
                requireKnown(connection, position.logId());
            }
            GroupReviews reviews = GroupReviews.of(connection, group);
            if (!reviews.losers().isEmpty()) {
                return reviews.losers(); // nothing was written
            }
            if (position != null) {
                RecordStatements.move(connection, position);
            }
            long token = random.nextLong() | 1; // not 0
            long last = head.lastNumber();
            if (!given.isEmpty()) {
                last = add(connection, last, given, keys, reviews, token, logId);
            }
            last = reviews.insert(connection, last, token, logId);
            if (last > head.lastNumber()) {
                RecordStatements.setLastNumber(connection, last);
            }
            if (!group.notes().isEmpty()) {
                RecordStatements.note(connection, group.notes());
            }
            return List.of();
        });
        if (position != null && losers.isEmpty()) {
            known.put(position.logId(), Optional.of(position));
        }
        return losers;
    }

    /** Adds versions; returns the last number. */
    private static long add(
            Connection connection,
            long lastNumber,
            List<Placed> given,
            List<RowKey> keys,
            GroupReviews reviews,
            long token,
            @Nullable String logId)
            throws SQLException {
        Map<RowKey, Current> current = RecordStatements.current(connection, keys);
        List<Inserted> inserted = new ArrayList<>();
        List<Long> superseded = new ArrayList<>();
        for (Placed row : given) {
            Version placed = row.version();
            Current before = current.get(placed.key());
            boolean isOlder = row.sequence() == 0 && before != null && before.sequence() != 0;
            if (!isOlder
                    && placed.outcome().isChangedFrom(before == null ? null : before.outcome())
                    && !(row.sequence() == 0 && before != null && hasVersion(connection, inserted, placed))) {
                if (before != null && before.number() <= lastNumber) {
                    superseded.add(before.number());
                }
                long number = lastNumber + inserted.size() + 1;
                int version = before == null ? 1 : before.version() + 1;
                inserted.add(new Inserted(number, version, row));
                current.put(placed.key(), new Current(number, version, placed.outcome(), row.sequence()));
            }
        }
        if (!superseded.isEmpty()) {
            RecordStatements.supersede(connection, superseded);
        }
        if (!inserted.isEmpty()) {
            RecordStatements.insert(connection, inserted, current, reviews, token, logId);
        }
        return lastNumber + inserted.size();
    }

    /** Returns whether a row has a version with this value, so that a salvage that is repeated changes nothing. */
    private static boolean hasVersion(Connection connection, List<Inserted> inserted, Version wanted)
            throws SQLException {
        return inserted.stream().anyMatch(each -> each.row().version().equals(wanted))
                || RecordStatements.hasVersion(connection, wanted);
    }

    /**
     * Throws an exception if the position of a log is not the one that this backend has seen last. Without this check, a
     * failover to a server that lacks the last groups would leave a gap.
     */
    private void requireKnown(Connection connection, String logId) throws SQLException {
        Optional<Position> expected = known.get(logId);
        if (expected != null && !expected.equals(RecordStatements.position(connection, logId))) {
            throw new RecordUnavailableException(
                    pool.what("the record's position in the log is not the one that this backend wrote last: the"
                            + " database was restored, or another process uses the same log"),
                    null);
        }
    }

    @Override
    public void wentBack(String logId) {
        write(connection -> {
            Head head = RecordStatements.lock(connection);
            RecordStatements.wentBack(connection, logId);
            return head;
        });
        known.put(logId, Optional.empty());
    }

    @Override
    public void requirePosition(String logId) {
        boolean unused = read(connection -> {
            requireKnown(connection, logId);
            return true;
        });
    }

    /** Does nothing: a group is durable when {@link #apply} returns. */
    @Override
    public void sync() {}

    @Override
    public Map<String, String> notes(String prefix) {
        return read(connection -> RecordStatements.notes(connection, prefix));
    }

    @Override
    public boolean sweep(Instant before) {
        return write(connection -> {
            RecordStatements.lock(connection);
            return RecordStatements.remove(connection, before.toEpochMilli(), REMOVED_AT_ONCE) == REMOVED_AT_ONCE
                    || RecordStatements.removeReviews(connection, before.toEpochMilli(), REMOVED_AT_ONCE)
                            == REMOVED_AT_ONCE;
        });
    }

    @Override
    public List<String> shards(String prefix, @Nullable String after, int limit) {
        return read(connection -> RecordSearch.shards(connection, prefix, after, limit));
    }

    @Override
    public Rows find(OutcomeQuery wanted) {
        return read(connection -> RecordSearch.find(connection, wanted));
    }

    @Override
    public Map<String, List<Shape>> shapes(Collection<String> shards, int most) {
        return read(connection -> {
            Map<String, List<Shape>> shapes = new HashMap<>();
            for (String shard : shards) {
                shapes.put(shard, RecordSearch.shapes(connection, shard, most));
            }
            return shapes;
        });
    }

    @Override
    public Counts count(OutcomeQuery wanted, long[] bounds, int most) {
        return read(connection -> RecordSearch.count(connection, wanted, bounds, most));
    }

    @Override
    public List<Version> withId(String prefix, int limit) {
        return read(connection -> RecordSearch.withId(connection, prefix, limit));
    }

    @Override
    public List<Version> versions(RowKey key, int limit) {
        return read(connection -> RecordSearch.versions(connection, key, limit));
    }

    @Override
    public List<Review> reviews(RowKey key, int limit) {
        return read(connection -> RecordReviews.ofRow(connection, key, limit));
    }

    @Override
    public Map<RowKey, Review> newestReviews(Collection<RowKey> keys) {
        return read(connection -> RecordReviews.newest(connection, keys));
    }

    @Override
    public ReviewedPart reviewed(@Nullable String cursor, int limit) {
        return read(connection -> RecordReviews.reviewed(connection, cursor, limit));
    }

    @Override
    public Map<String, Long> faults(int most) {
        return read(connection -> RecordReviews.faults(connection, most));
    }

    @Override
    public List<Waiting> waiting(int most) {
        return read(connection -> RecordReviews.waiting(connection, most));
    }

    @Override
    public Map<Long, Version> at(Collection<Long> numbers) {
        return read(connection -> RecordSearch.byNumber(connection, numbers.toArray(Long[]::new)));
    }

    @Override
    public List<Change> changes(String cursor, int limit) throws ChangesLostException {
        ChangeCursor after = cursor.isEmpty() ? null : ChangeCursor.parse(cursor);
        long number = after == null ? 0 : after.number();
        Changes found = read(connection -> RecordStatements.changes(connection, number, Math.min(limit, MOST_CHANGES)));
        ChangeCursor begin = found.head().oldest();
        if (after != null) {
            after.require(found.head(), found.present());
            begin = after;
        }
        List<Change> changes = new ArrayList<>();
        for (Numbered each : found.changes()) {
            changes.add(new Change(begin.after(each.number(), each.token()).toString(), each.changed()));
        }
        return changes;
    }

    @Override
    public String newest() {
        return read(RecordStatements::newest).toString();
    }

    private <T> T read(Use<T> use) {
        long sinceNanos = System.nanoTime();
        try {
            if (!pool.beginRead()) {
                throw failed(new SQLTransientConnectionException("no connection was free in time"));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RecordUnavailableException("a read of the record was interrupted", e);
        }
        try (Connection connection = connection(sinceNanos)) {
            return use.with(connection);
        } catch (SQLException | FlywayException e) {
            throw failed(e);
        } finally {
            pool.endRead();
        }
    }

    private <T> T write(Use<T> transaction) {
        try (Connection connection = connection(System.nanoTime())) {
            return PostgresConnector.commit(connection, transaction);
        } catch (SQLException | FlywayException e) {
            throw failed(e);
        }
    }

    private Connection connection(long sinceNanos) throws SQLException {
        if (!isMigrated) {
            migrate();
        }
        return pool.connection(sinceNanos);
    }

    private synchronized void migrate() throws SQLException {
        if (!isMigrated) {
            pool.prepare();
            isMigrated = true;
        }
    }

    private RecordUnavailableException failed(Exception e) {
        if (e instanceof SQLException sql && sql.getSQLState() != null && OUTDATED.contains(sql.getSQLState())) {
            isMigrated = false; // the next call migrates the tables
        }
        return new RecordUnavailableException(pool.what(e), e);
    }

    @Override
    public void close() {
        pool.close();
    }
}
