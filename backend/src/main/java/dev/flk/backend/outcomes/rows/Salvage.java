// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.RowSql.first;
import static dev.flk.backend.outcomes.rows.RowSql.query;

import dev.flk.backend.outcomes.duckdb.Attempts;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Copies rows from a file that was set aside because it was damaged, a stretch at a time: damage hides the rows of its
 * stretches, or of a group of 122,880 rows. Rows that were derived from the log again are not replaced. A copy that is
 * repeated changes nothing.
 */
final class Salvage implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");
    private static final int ROWS_AT_ONCE = 2_000;
    private static final int MOST_ATTEMPTS = 3;

    private final RowsFile file;
    private final Path aside;
    private final OutcomeRows to;
    private final Instant oldest;
    private final BooleanSupplier continues;
    private final Map<String, String> gaps = new LinkedHashMap<>();
    private long copied;
    private @Nullable Connection from;

    /**
     * @param aside the damaged file
     * @param oldest the arrival of the oldest outcome that is still kept
     * @param continues asked before each part; the copy fails if it returns false
     */
    Salvage(RowsFile file, Path aside, OutcomeRows to, Instant oldest, BooleanSupplier continues) {
        this.file = file;
        this.aside = aside;
        this.to = to;
        this.oldest = oldest;
        this.continues = continues;
    }

    /** Copies all rows that can be read, and names what can't be read as gaps; returns whether everything could be. */
    boolean run() throws IOException {
        Attempts attempts = file.salvaging();
        if (attempts.unended() >= MOST_ATTEMPTS) {
            gap("outcomes", "the process has ended " + MOST_ATTEMPTS + " times while it was read");
            to.apply(new Group(null, List.of(), List.of(), gaps));
            attempts.end();
        } else {
            attempts.begin();
            try {
                copy("outcomes", this::outcomes);
                copy("reviews", this::reviews);
            } finally {
                attempts.end(); // an interruption is not a crash
            }
        }
        LOG.warn(
                "{} versions of outcomes and reviews were copied from {} to the record; {}",
                copied,
                aside,
                gaps.isEmpty() ? "all of it could be read" : "what could not be read is listed as gaps");
        return gaps.isEmpty();
    }

    /** Reads a stretch of a table into a group. */
    private interface Stretch {
        Group read(Connection from, long first, long end) throws SQLException;
    }

    private void copy(String table, Stretch stretch) {
        long rows;
        try {
            Long last = first(opened(), "SELECT max(rowid) FROM flk_record_" + table, row -> row.getLong(1));
            rows = last == null ? 0 : last + 1;
        } catch (SQLException e) {
            gap(table, e.getMessage());
            to.apply(new Group(null, List.of(), List.of(), gaps));
            return;
        }
        for (long first = 0; first < rows; first += ROWS_AT_ONCE) {
            if (!continues.getAsBoolean()) {
                throw new RecordUnavailableException(
                        "the copy of the rows that were set aside is interrupted, and will begin again", null);
            }
            Group group = new Group(null, List.of(), List.of(), gaps);
            try {
                group = stretch.read(opened(), first, first + ROWS_AT_ONCE);
            } catch (SQLException e) {
                gap(table + "-" + first, e.getMessage());
                close(); // a fatal error makes all connections useless
            }
            to.apply(group);
            copied += group.placed().size() + group.reviews().size();
        }
    }

    private Group outcomes(Connection connection, long first, long end) throws SQLException {
        List<Placed> placed = query(
                connection,
                "SELECT " + StoredRow.COLUMNS
                        + " FROM flk_record_outcomes WHERE rowid >= ? AND rowid < ? AND received >= ?",
                row -> new Placed(0, StoredRow.read(row).version()),
                first,
                end,
                oldest.toEpochMilli());
        return new Group(null, placed, List.of(), gaps);
    }

    private Group reviews(Connection connection, long first, long end) throws SQLException {
        List<Reviewed> found = query(
                connection,
                "SELECT " + RowQueries.REVIEW
                        + " FROM flk_record_reviews WHERE rowid >= ? AND rowid < ? AND at_millis >= ?",
                RowQueries::reviewed,
                first,
                end,
                oldest.toEpochMilli());
        List<PlacedReview> placed =
                found.stream().map(each -> new PlacedReview(0, each)).toList();
        return new Group(null, List.of(), placed, gaps);
    }

    private void gap(String what, @Nullable String problem) {
        gaps.put(
                OutcomeRows.GAPS + "set-aside/" + what,
                "outcomes in the damaged file " + aside.getFileName() + ", which the log no longer has");
        LOG.error("{} in {} can't be read, and may be missing from the record: {}", what, aside, problem);
    }

    private Connection opened() throws SQLException {
        Connection open = from;
        if (open == null) {
            open = file.openReadOnly(aside);
            from = open;
        }
        return open;
    }

    @Override
    public void close() {
        RowSql.close(from);
        from = null;
    }
}
