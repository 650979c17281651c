// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.Calls.each;
import static dev.flk.backend.outcomes.rows.Calls.first;
import static dev.flk.backend.outcomes.rows.Calls.in;
import static dev.flk.backend.outcomes.rows.Calls.query;
import static dev.flk.backend.outcomes.rows.Calls.update;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.earlier.EarlierRows;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.rows.History.Meta;
import dev.flk.view.ViewUnavailableException;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.random.RandomGenerator;
import org.duckdb.DuckDBConnection;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The rows of the record in a file of DuckDB. A group is one transaction, which is on disk when {@link #apply} returns.
 * One connection writes; questions use another one, one at a time.
 */
public final class DuckRows implements OutcomeRows {
    /** The number of rows that a sweep removes at once. */
    private static final int REMOVED_AT_ONCE = 50_000;

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");
    private static final int IDS_AT_ONCE = 500_000;
    /** The part of the heap that the ids of rows may take: 1/8. */
    private static final int MEMORY_OF_IDS = 8;

    private final RowsFile file;
    private final @Nullable EarlierRows earlier;
    private final RandomGenerator random;
    private final KnownIds knownRows = new KnownIds(Runtime.getRuntime().maxMemory() / MEMORY_OF_IDS);
    private final KnownIds knownReviews = new KnownIds(Runtime.getRuntime().maxMemory() / MEMORY_OF_IDS);
    private final Object questions = new Object();

    private volatile @Nullable Transaction writer;
    private volatile @Nullable Connection reader;
    /** Whether this was closed, while it may be opened at the same time. */
    private volatile boolean isClosed;
    /** Whether a question has found that no connection can be used any more. */
    private volatile boolean isBroken;
    /** The damage that was found in the file; null if none was found since it was opened. */
    private volatile @Nullable SQLException damage;

    /** @param earlier the rows of 0.1.0, which are copied at the first opening; null to copy nothing */
    public DuckRows(Path file, @Nullable EarlierRows earlier, RandomGenerator random) {
        this.earlier = earlier;
        this.file = new RowsFile(file);
        this.random = random;
    }

    private interface Use<T> {
        T with(Transaction open) throws SQLException;
    }

    private interface Question<T> {
        T of(Connection connection) throws SQLException;
    }

    @Override
    public synchronized void reopen() {
        if (isBroken) {
            drop();
        }
        if (writer != null) {
            return;
        }
        try {
            SQLException found = damage;
            if (found != null) {
                file.setAside(String.valueOf(found.getMessage()));
                damage = null;
            }
            Transaction first = file.open();
            DuckDBConnection opened = first.connection();
            writer = first;
            isClosed = false;
            if (earlier != null && earlier.exist()) {
                new EarlierImport(earlier, first, () -> !isClosed).run();
            }
            readKnown(opened);
            reader = opened.duplicate();
        } catch (SQLException e) {
            throw failed(e);
        } catch (IOException | ViewUnavailableException e) {
            drop();
            throw new RecordUnavailableException("the record can't be opened: " + e.getMessage(), e);
        } catch (RuntimeException e) {
            drop();
            throw e;
        }
    }

    private void readKnown(Connection opened) throws SQLException {
        read(opened, knownRows, "outcomes");
        read(opened, knownReviews, "reviews");
        if (knownRows.isOverfull()) {
            LOG.warn(
                    "the record has more outcomes than fit an eighth of the heap, so that it may fall behind under load;"
                            + " give the backend more memory, or shorten RECORD_HISTORY");
        }
    }

    private static void read(Connection opened, KnownIds known, String table) throws SQLException {
        String all = " FROM " + table;
        known.reset(Objects.requireNonNull(first(opened, "SELECT count(*)" + all, row -> row.getLong(1))));
        long end = Objects.requireNonNull(
                first(opened, "SELECT coalesce(max(rowid) + 1, 0)" + all, row -> row.getLong(1)));
        for (long from = 0; from < end; from += IDS_AT_ONCE) {
            each(
                    opened,
                    "SELECT id" + all + " WHERE rowid >= ? AND rowid < ?",
                    row -> known.add(row.getLong(1)),
                    from,
                    from + IDS_AT_ONCE);
        }
    }

    /** Writes in the transaction that is open, or in a new one; {@link #sync} commits it. */
    private <T> T write(Use<T> use) {
        Transaction open = open();
        try {
            open.begin();
            return use.with(open);
        } catch (RuntimeException e) {
            drop(); // ends the transaction
            throw e;
        } catch (SQLException e) {
            throw failed(e);
        }
    }

    private Transaction open() {
        if (isBroken) {
            drop();
        }
        Transaction open = writer;
        if (open == null) {
            throw new RecordUnavailableException("the record is not open", null);
        }
        return open;
    }

    private <T> T ask(Question<T> question) {
        synchronized (questions) {
            Connection connection = reader;
            if (connection == null || isBroken) {
                throw new RecordUnavailableException("the record is not open", null);
            }
            try {
                return question.of(connection);
            } catch (SQLException e) {
                noteDamage(e);
                if (RowsFile.isFatal(e) || damage != null) {
                    isBroken = true; // the thread that writes closes all connections
                }
                throw new RecordUnavailableException("the record can't be read: " + e.getMessage(), e);
            }
        }
    }

    private void noteDamage(SQLException e) {
        if (RowsFile.isDamage(e)) {
            damage = e;
        }
    }

    private RecordUnavailableException failed(SQLException e) {
        noteDamage(e);
        drop();
        return new RecordUnavailableException("the record can't be used: " + e.getMessage(), e);
    }

    @Override
    public Optional<Position> position(String logId) {
        return ask(connection -> History.position(connection, logId));
    }

    @Override
    public synchronized List<PlacedReview> apply(Group group) {
        List<PlacedReview> losers = add(group);
        sync();
        return losers;
    }

    @Override
    public synchronized List<PlacedReview> add(Group group) {
        return write(open -> {
            if (knownRows.isFull() || knownReviews.isFull()) {
                open.flush();
                readKnown(open.connection());
            }
            return new GroupWriting(open, knownRows, knownReviews).apply(group, random.nextLong());
        });
    }

    @Override
    public synchronized void wentBack(String logId) {
        boolean unused = write(open -> {
            open.move(new Position(logId, 0, ""), History.ENDED);
            open.set(open.meta().withHistory(random.nextLong()));
            return true;
        });
        sync();
    }

    @Override
    public synchronized void sync() {
        Transaction open = open();
        try {
            open.commit();
        } catch (SQLException e) {
            throw failed(e);
        }
    }

    @Override
    public Map<String, String> notes(String prefix) {
        return ask(connection -> {
            Map<String, String> notes = new LinkedHashMap<>();
            query(
                    connection,
                    "SELECT name, text FROM notes WHERE starts_with(name, ?) ORDER BY name",
                    row -> notes.put(row.getString(1), row.getString(2)),
                    prefix);
            return notes;
        });
    }

    @Override
    public synchronized boolean sweep(Instant before) {
        boolean isMore = write(open -> {
            Connection connection = open.connection();
            long millis = before.toEpochMilli();
            Long last = first(
                    connection,
                    "SELECT coalesce(max(n), 0) FROM (SELECT n FROM outcomes WHERE is_current AND received < ? ORDER BY n LIMIT "
                            + REMOVED_AT_ONCE + ")",
                    row -> row.getLong(1),
                    millis);
            return (last == null || last == 0) ? sweepReviews(open, millis) : sweepRows(open, millis, last);
        });
        sync();
        return isMore;
    }

    private static boolean sweepRows(Transaction open, long beforeMillis, long last) throws SQLException {
        String old = " FROM outcomes WHERE is_current AND received < ? AND n <= ?";
        Connection connection = open.connection();
        Meta meta = open.meta().withRemoved(last);
        List<Long> earlier = query(
                connection, "SELECT before" + old + " AND before <> 0", row -> row.getLong(1), beforeMillis, last);
        update(connection, "DELETE" + old, beforeMillis, last);
        while (!earlier.isEmpty()) {
            List<Long> next = query(
                    connection,
                    "SELECT before FROM outcomes WHERE n IN (" + in(earlier) + ") AND before <> 0",
                    row -> row.getLong(1));
            update(connection, "DELETE FROM outcomes WHERE n IN (" + in(earlier) + ")");
            for (long each : earlier) {
                meta = meta.withRemoved(each);
            }
            earlier = next;
        }
        open.set(meta);
        return true;
    }

    private static boolean sweepReviews(Transaction open, long beforeMillis) throws SQLException {
        Connection connection = open.connection();
        List<Long> old = query(connection, """
                WITH old AS (SELECT shard, epoch, id, pcs_id FROM reviews AS review
                    WHERE is_current AND at_millis < ? AND NOT EXISTS (SELECT 1 FROM outcomes AS stored
                        WHERE stored.is_current AND stored.id = review.id AND stored.shard = review.shard
                            AND stored.epoch = review.epoch)
                    LIMIT 500)
                SELECT n FROM reviews SEMI JOIN old USING (shard, epoch, id, pcs_id)""", row -> row.getLong(1), beforeMillis);
        if (old.isEmpty()) {
            return false;
        }
        Meta meta = open.meta();
        for (long each : old) {
            meta = meta.withRemoved(each);
        }
        update(connection, "DELETE FROM reviews WHERE n IN (" + in(old) + ")");
        open.set(meta);
        return true;
    }

    @Override
    public boolean isIncomplete() {
        return file.wasSetAside().isPresent();
    }

    @Override
    public void salvage(Instant oldest, BooleanSupplier continues) {
        Path aside = file.wasSetAside().orElseThrow();
        try {
            file.release(copied(aside, oldest, continues));
        } catch (IOException e) {
            throw new RecordUnavailableException("what was set aside can't be copied: " + e.getMessage(), e);
        }
    }

    private boolean copied(Path aside, Instant oldest, BooleanSupplier continues) throws IOException {
        try (Salvage salvage = new Salvage(file, aside, this, oldest, continues)) {
            return salvage.run();
        }
    }

    @Override
    public synchronized void copyTo(Path directory) throws IOException {
        synchronized (questions) { // an open question keeps changes from the file
            sync();
            file.copyTo(directory);
        }
    }

    @Override
    public boolean areShared() {
        return false;
    }

    @Override
    public List<String> shards(String prefix, @Nullable String after, int limit) {
        return ask(connection -> RowQueries.shards(connection, prefix, after, limit));
    }

    @Override
    public Rows find(OutcomeQuery wanted) {
        return ask(connection -> RowQueries.find(connection, wanted));
    }

    @Override
    public Map<String, List<Shape>> shapes(Collection<String> shards, int most) {
        return ask(connection -> RowQueries.shapes(connection, shards, most));
    }

    @Override
    public Counts count(OutcomeQuery wanted, long[] bounds, int most) {
        return ask(connection -> RowQueries.count(connection, wanted, bounds));
    }

    @Override
    public List<Version> withId(String prefix, int limit) {
        return ask(connection -> RowQueries.withId(connection, prefix, limit));
    }

    @Override
    public List<Version> versions(RowKey key, int limit) {
        return ask(connection -> RowQueries.versions(connection, key, limit));
    }

    @Override
    public List<Review> reviews(RowKey key, int limit) {
        return ask(connection -> RowQueries.reviews(connection, key, limit));
    }

    @Override
    public Map<RowKey, Review> newestReviews(Collection<RowKey> keys) {
        return ask(connection -> {
            Map<RowKey, Review> newest = new HashMap<>();
            query(
                            connection,
                            "SELECT " + RowQueries.REVIEW + " FROM reviews WHERE is_current AND id IN ("
                                    + in(keys.stream().map(StoredRow::head).toList()) + ")",
                            RowQueries::reviewed)
                    .forEach(each -> newest.put(each.key(), each.review()));
            newest.keySet().retainAll(keys);
            return newest;
        });
    }

    @Override
    public ReviewedPart reviewed(@Nullable String cursor, int limit) {
        return ask(connection -> RowQueries.reviewed(connection, cursor, limit));
    }

    @Override
    public Map<String, Long> faults(int most) {
        return ask(connection -> {
            Map<String, Long> faults = new HashMap<>();
            query(
                    connection,
                    "SELECT shard, count(*) FROM (SELECT shard FROM reviews WHERE is_current AND decision = 'fault'"
                            + " LIMIT " + most + ") GROUP BY shard",
                    row -> faults.put(row.getString(1), row.getLong(2)));
            return faults;
        });
    }

    @Override
    public List<Waiting> waiting(int most) {
        return ask(connection -> query(
                connection,
                "SELECT shard, cause, received, n FROM outcomes WHERE is_current AND waits LIMIT " + most,
                row -> new Waiting(
                        OutcomeRows.waitingGroup(row.getString(1), row.getString(2)), row.getLong(3), row.getLong(4))));
    }

    @Override
    public Map<Long, Version> at(Collection<Long> numbers) {
        return ask(connection -> {
            Map<Long, Version> versions = new HashMap<>();
            query(
                            connection,
                            "SELECT " + StoredRow.COLUMNS
                                    + " FROM outcomes WHERE rowid IN (SELECT rowid FROM outcomes WHERE n IN ("
                                    + in(numbers) + "))",
                            StoredRow::read)
                    .forEach(row -> versions.put(row.n(), row.version()));
            return versions;
        });
    }

    @Override
    public List<Change> changes(String cursor, int limit) throws ChangesLostException {
        List<ChangesLostException> lost = new ArrayList<>();
        List<Change> changes = ask(connection -> {
            try {
                return History.after(connection, cursor, limit);
            } catch (ChangesLostException e) {
                lost.add(e);
                return List.of();
            }
        });
        if (!lost.isEmpty()) {
            throw lost.get(0);
        }
        return changes;
    }

    @Override
    public String newest() {
        return ask(History::newest);
    }

    @Override
    public void close() {
        isClosed = true;
        drop();
    }

    private synchronized void drop() {
        synchronized (questions) {
            Calls.close(reader);
            Calls.close(writer);
            reader = null;
            writer = null;
            isBroken = false;
        }
    }
}
