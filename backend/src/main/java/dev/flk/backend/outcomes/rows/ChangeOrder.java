// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.RowSql.first;
import static dev.flk.backend.outcomes.rows.RowSql.query;
import static dev.flk.backend.outcomes.rows.RowSql.update;

import dev.flk.backend.outcomes.record.NameHash;
import dev.flk.backend.outcomes.record.OutcomeRows.Change;
import dev.flk.backend.outcomes.record.OutcomeRows.Changed;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The order of all versions and reviews, and the cursors of their readers. Their numbers are those of {@link
 * StoredRow}; a log that goes back begins a generation.
 */
final class ChangeOrder {
    static final String DDL = """
            CREATE TABLE flk_record_positions (log_id VARCHAR NOT NULL, generation INTEGER NOT NULL, sequence BIGINT NOT NULL,
                digest VARCHAR NOT NULL);
            CREATE TABLE flk_record_notes (name VARCHAR NOT NULL, text VARCHAR NOT NULL);
            CREATE TABLE flk_record_reviews (n BIGINT NOT NULL, is_current BOOLEAN NOT NULL, shard VARCHAR NOT NULL,
                epoch BIGINT NOT NULL, id BIGINT NOT NULL, pcs_id BLOB NOT NULL, version BIGINT NOT NULL,
                decision VARCHAR NOT NULL, at_millis BIGINT NOT NULL, decided_at VARCHAR NOT NULL, author VARCHAR NOT NULL,
                note VARCHAR NOT NULL);
            CREATE TABLE flk_record (history BIGINT NOT NULL, generation INTEGER NOT NULL, beginning BIGINT NOT NULL,
                removed BIGINT NOT NULL, salvaged BIGINT NOT NULL);
            INSERT INTO flk_record VALUES (0, 0, 0, 0, 0)""";

    static final int FIRST_GENERATION = 1;
    /** The generation of a log that went back, until more is derived from it. */
    static final int ENDED = 0;

    private static final String HISTORY_CHANGED =
            "history changed: a log or the record went back or was replaced after the cursor was returned";
    private static final String NO_LOG = "-";

    private ChangeOrder() {}

    /**
     * The values that exist once.
     *
     * @param history differs for each history of changes; cursors contain it
     * @param generation the newest generation; 0 contains the versions that come from no log
     * @param beginning the number before the first one of the newest generation
     * @param removed the highest number that was removed; 0 if none was
     * @param salvaged the number of versions of generation 0
     */
    record Meta(long history, int generation, long beginning, long removed, long salvaged) {
        static Meta read(Connection connection) throws SQLException {
            return read(connection, "");
        }

        /** @param lock what the query ends with */
        static Meta read(Connection connection, String lock) throws SQLException {
            Meta read = first(
                    connection,
                    "SELECT history, generation, beginning, removed, salvaged FROM flk_record" + lock,
                    row -> new Meta(row.getLong(1), row.getInt(2), row.getLong(3), row.getLong(4), row.getLong(5)));
            if (read == null) {
                throw new SQLException("the table flk_record is empty; restore the tables from a backup");
            }
            return read;
        }

        void write(Connection connection) throws SQLException {
            update(
                    connection,
                    "UPDATE flk_record SET history = ?, generation = ?, beginning = ?, removed = ?, salvaged = ?",
                    history,
                    generation,
                    beginning,
                    removed,
                    salvaged);
        }

        /**
         * Begins a generation. The history is known from the log as long as there is only one generation, so that cursors
         * stay valid if the rows are lost and derived from the log again.
         */
        Meta nextGeneration(String logId, long firstSequence, long randomHistory) {
            int next = generation + 1;
            return new Meta(
                    next == FIRST_GENERATION ? NameHash.of(logId) : randomHistory,
                    next,
                    StoredRow.n(next, firstSequence - 1),
                    removed,
                    salvaged);
        }

        Meta withHistory(long other) {
            return new Meta(other, generation, beginning, removed, salvaged);
        }

        Meta withRemoved(long n) {
            return new Meta(history, generation, beginning, Math.max(removed, n), salvaged);
        }

        Meta withOneMoreSalvaged() {
            return new Meta(history, generation, beginning, removed, salvaged + 1);
        }
    }

    static Optional<Position> position(Connection connection, String logId) throws SQLException {
        return query(
                        connection,
                        "SELECT sequence, digest FROM flk_record_positions WHERE log_id = ? AND generation <> " + ENDED,
                        row -> new Position(logId, row.getLong(1), row.getString(2)),
                        logId)
                .stream()
                .findFirst();
    }

    static void move(Connection connection, Position position, int generation) throws SQLException {
        update(connection, "DELETE FROM flk_record_positions WHERE log_id = ?", position.logId());
        update(
                connection,
                "INSERT INTO flk_record_positions (log_id, generation, sequence, digest) VALUES (?, ?, ?, ?)",
                position.logId(),
                generation,
                position.sequence(),
                position.digest());
    }

    static void note(Connection connection, String name, String text) throws SQLException {
        update(connection, "DELETE FROM flk_record_notes WHERE name = ?", name);
        update(connection, "INSERT INTO flk_record_notes VALUES (?, ?)", name, text);
    }

    /**
     * A cursor.
     *
     * @param n the number after which the changes follow
     * @param removed the highest number that had been removed when the follower began
     * @param token identifies the change with this number: a log that went back has another one there; 0 if unknown
     */
    private record Cursor(String logId, long history, long n, long removed, long token) {
        /** The cursors of 0.1.0 for a record in Postgres. */
        private static final String SHARED_BEFORE = "[0-9a-f]{32}(\\.\\d{1,15}){2}\\.[0-9a-f]{1,16}\\.\\d{1,15}";

        private static final String FORMAT = "[^.]{1,64}(\\.[0-9a-f]{16}){4}";

        static @Nullable Cursor parse(String text) throws ChangesLostException {
            if (text.isEmpty()) {
                return null;
            }
            if (text.matches(SHARED_BEFORE)) {
                throw new ChangesLostException(HISTORY_CHANGED);
            }
            if (!text.matches(FORMAT)) {
                throw new InvalidCursorException("the cursor was not returned by this call");
            }
            String[] parts = text.split("\\.", -1);
            return new Cursor(parts[0], hex(parts[1]), hex(parts[2]), hex(parts[3]), hex(parts[4]));
        }

        private static long hex(String digits) {
            return Long.parseUnsignedLong(digits, 16);
        }

        String text() {
            return "%s.%016x.%016x.%016x.%016x".formatted(logId, history, n, removed, token);
        }

        Cursor at(Numbered change) {
            return new Cursor(logId, history, change.n(), removed, tokenOf(change.changed()));
        }

        /** Returns a token that stays the same if the version or the review is derived from the log again. */
        static long tokenOf(Changed changed) {
            String content =
                    changed instanceof Version version ? "" + version.outcome().receivedMillis() : changed.toString();
            return NameHash.of(changed.key().pcsId() + content) | 1; // not 0
        }
    }

    private record Numbered(long n, Changed changed) {}

    /** Returns versions and reviews in the order of their numbers, which a condition selects. */
    private static List<Numbered> changes(Connection connection, String condition, long n, int limit)
            throws SQLException {
        List<Numbered> found = new ArrayList<>(query(
                connection,
                "SELECT " + StoredRow.COLUMNS + " FROM flk_record_outcomes WHERE " + condition + " ORDER BY n LIMIT "
                        + limit,
                row -> {
                    StoredRow stored = StoredRow.read(row);
                    return new Numbered(stored.n(), stored.version());
                },
                n));
        found.addAll(query(
                connection,
                "SELECT " + RowQueries.REVIEW + " FROM flk_record_reviews WHERE " + condition + " ORDER BY n LIMIT "
                        + limit,
                row -> new Numbered(row.getLong(1), RowQueries.reviewed(row)),
                n));
        found.sort(Comparator.comparingLong(Numbered::n));
        return found.subList(0, Math.min(limit, found.size()));
    }

    /** Returns at most {@code limit} changes after a cursor, or from the beginning. */
    static List<Change> after(Connection connection, String cursor, int limit)
            throws SQLException, ChangesLostException {
        Cursor after = Cursor.parse(cursor);
        Meta meta = Meta.read(connection);
        if (after != null) {
            require(connection, meta, after);
        }
        Cursor from = new Cursor(
                newestLog(connection, meta),
                meta.history(),
                after == null ? 0 : after.n(),
                after == null ? meta.removed() : after.removed(),
                0);
        List<Change> changes = new ArrayList<>();
        for (Numbered each : changes(connection, "n > ?", from.n(), limit)) {
            changes.add(new Change(from.at(each).text(), each.changed()));
        }
        return changes;
    }

    private static void require(Connection connection, Meta meta, Cursor after)
            throws SQLException, ChangesLostException {
        boolean isBeforeAll = after.logId().equals(NO_LOG) && meta.generation() <= FIRST_GENERATION;
        if (after.history() != meta.history() && !isBeforeAll) {
            if (meta.generation() < FIRST_GENERATION) { // as after a loss of DEDUP_DIR, until the log is read
                throw new RecordUnavailableException(
                        "nothing has been read from the log yet, so the cursor can't be checked", null);
            }
            if (first(connection, "SELECT 1 FROM flk_record_positions WHERE log_id = ?", row -> 1, after.logId())
                    == null) {
                throw new InvalidCursorException(
                        "the cursor belongs to another backend, with the log " + after.logId());
            }
            throw new ChangesLostException(HISTORY_CHANGED);
        }
        if (Math.max(after.n(), after.removed()) < meta.removed()
                // rows of earlier generations remain when a log goes back or is replaced
                || (StoredRow.generation(after.n()) == meta.generation() && after.n() < meta.beginning())) {
            throw new ChangesLostException("compacted: outcomes after this cursor were removed after RECORD_HISTORY");
        }
        if (after.n() > meta.removed() && isReplaced(connection, after)) {
            throw new ChangesLostException(HISTORY_CHANGED);
        }
    }

    /**
     * Returns whether there are later versions, but not the one of the cursor: the log and these rows were both replaced
     * by older copies. Until later versions exist, the one of the cursor may still be read from the log.
     */
    private static boolean isReplaced(Connection connection, Cursor after) throws SQLException {
        if (after.token() == 0 || StoredRow.generation(after.n()) == 0) {
            return false;
        }
        List<Numbered> there = changes(connection, "n = ?", after.n(), 1);
        return there.isEmpty()
                ? last(connection) > after.n()
                : Cursor.tokenOf(there.get(0).changed()) != after.token();
    }

    static long last(Connection connection) throws SQLException {
        return Objects.requireNonNull(first(
                connection,
                "SELECT greatest((SELECT coalesce(max(n), 0) FROM flk_record_outcomes), (SELECT coalesce(max(n), 0) FROM flk_record_reviews))",
                row -> row.getLong(1)));
    }

    /** Returns the cursor after the newest change. */
    static String newest(Connection connection) throws SQLException {
        Meta meta = Meta.read(connection);
        Cursor beginning = new Cursor(newestLog(connection, meta), meta.history(), meta.beginning(), meta.removed(), 0);
        long last = last(connection);
        List<Numbered> newest = last <= meta.beginning() ? List.of() : changes(connection, "n = ?", last, 1);
        return (newest.isEmpty() ? beginning : beginning.at(newest.get(0))).text();
    }

    /** Returns the id of the log of the newest generation; a hyphen if nothing was derived from a log. */
    private static String newestLog(Connection connection, Meta meta) throws SQLException {
        String log = first(
                connection,
                "SELECT log_id FROM flk_record_positions WHERE generation = ? ORDER BY log_id LIMIT 1",
                row -> row.getString(1),
                meta.generation());
        return log == null ? NO_LOG : log;
    }
}
