// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.RowSql.each;
import static dev.flk.backend.outcomes.rows.RowSql.first;
import static dev.flk.backend.outcomes.rows.RowSql.update;

import dev.flk.backend.outcomes.earlier.EarlierRows;
import dev.flk.view.ViewUnavailableException;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
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
public final class DuckRows extends TableRows {
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

    private volatile @Nullable DuckTransaction writer;
    private volatile @Nullable Connection reader;
    /** Whether this was closed, while it may be opened at the same time. */
    private volatile boolean isClosed;
    /** Whether a question has found that no connection can be used any more. */
    private volatile boolean isBroken;
    /** The damage that was found in the file; null if none was found since it was opened. */
    private volatile @Nullable SQLException damage;

    /** @param earlier the rows of 0.1.0, which are copied at the first opening; null to copy nothing */
    public DuckRows(Path file, @Nullable EarlierRows earlier, RandomGenerator random) {
        super(Dialect.DUCKDB);
        this.earlier = earlier;
        this.file = new RowsFile(file);
        this.random = random;
    }

    private interface Use<T> {
        T with(DuckTransaction open) throws SQLException;
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
            DuckTransaction first = file.open();
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
        read(opened, knownRows, "flk_record_outcomes");
        read(opened, knownReviews, "flk_record_reviews");
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
        DuckTransaction open = open();
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

    private DuckTransaction open() {
        if (isBroken) {
            drop();
        }
        DuckTransaction open = writer;
        if (open == null) {
            throw new RecordUnavailableException("the record is not open", null);
        }
        return open;
    }

    @Override
    <T> T ask(Question<T> question) {
        synchronized (questions) {
            Connection connection = reader;
            if (connection == null || isBroken) {
                throw new RecordUnavailableException("the record is not open", null);
            }
            try {
                update(connection, "BEGIN TRANSACTION");
                return question.of(connection);
            } catch (SQLException e) {
                noteDamage(e);
                if (RowsFile.isFatal(e) || damage != null) {
                    isBroken = true; // the thread that writes closes all connections
                }
                throw new RecordUnavailableException("the record can't be read: " + e.getMessage(), e);
            } finally {
                RowSql.attempt(connection, "ROLLBACK");
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
    public synchronized List<PlacedReview> apply(Group group) {
        List<PlacedReview> losers = add(group);
        sync();
        return losers;
    }

    @Override
    public synchronized List<PlacedReview> add(Group group) {
        return write(open -> {
            if (knownRows.isFull() || knownReviews.isFull()) {
                open.commit(); // the numbers of rows that are not committed begin at 2^62
                open.begin();
                readKnown(open.connection());
            }
            return new GroupWriting(open, knownRows, knownReviews).apply(group, random.nextLong());
        });
    }

    @Override
    public synchronized void wentBack(String logId) {
        boolean unused = write(open -> {
            open.wentBack(logId, random.nextLong());
            return true;
        });
        sync();
    }

    @Override
    public synchronized void sync() {
        DuckTransaction open = open();
        try {
            open.commit();
        } catch (SQLException e) {
            throw failed(e);
        }
    }

    @Override
    public synchronized boolean sweep(Instant before) {
        boolean isMore = write(open -> RowRemoval.sweep(open, Dialect.DUCKDB, before.toEpochMilli()));
        sync();
        return isMore;
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
    public void close() {
        isClosed = true;
        drop();
    }

    private synchronized void drop() {
        synchronized (questions) {
            RowSql.close(reader);
            RowSql.close(writer);
            reader = null;
            writer = null;
            isBroken = false;
        }
    }
}
