// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import dev.flk.backend.decide.OutcomeJson;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.outcomes.postgres.ChangeCursor.Head;
import dev.flk.backend.outcomes.record.OutcomeRows.Changed;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RowKind;
import dev.flk.certificate.PcsId;
import dev.flk.verification.Verdict.Recomputed;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The SQL statements of {@link PostgresRows}, except those of {@link RecordSearch}. */
final class RecordStatements {
    static final String LOCK = "SELECT record_id, generation, last_number, removed_up_to FROM flk_record FOR UPDATE";
    private static final String SET_LAST_NUMBER = "UPDATE flk_record SET last_number = ?";
    private static final String SET_REMOVED = "UPDATE flk_record SET removed_up_to = greatest(removed_up_to, ?)";
    private static final String NEXT_GENERATION = "UPDATE flk_record SET generation = generation + 1";

    static final String CURRENT = """
            SELECT stored.number, stored.version, stored.shard, stored.epoch, stored.pcs_id, stored.json,
                stored.sequence
            FROM unnest(?::bytea[], ?::bigint[], ?::bytea[]) AS given (shard, epoch, pcs_id)
            JOIN flk_record_versions AS stored
                ON stored.is_current AND stored.shard = given.shard AND stored.epoch = given.epoch
                AND stored.pcs_id = given.pcs_id""";
    static final String SUPERSEDE = "UPDATE flk_record_versions SET is_current = false WHERE number = ANY (?)";
    private static final String COLUMNS = "number, version, is_current, kind, shard, epoch, pcs_id, json,"
            + " received_millis, measured_millis, verdict, regime, key_id, reason_kind,"
            + " claimed_d_hat, recomputed_d_hat, claimed_budget, recomputed_budget, sequence";
    private static final String INSERT = """
            INSERT INTO flk_record_versions (%1$s, token, log_id)
            SELECT given.*, ?, ? FROM unnest(?::bigint[], ?::integer[], ?::boolean[], ?::smallint[], ?::bytea[], ?::bigint[],
                ?::bytea[], ?::text[], ?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::text[], ?::text[],
                ?::double precision[], ?::double precision[], ?::double precision[], ?::double precision[], ?::bigint[])
                AS given (%1$s)""".formatted(COLUMNS);

    private static final String POSITION = "SELECT sequence, digest FROM flk_record_positions WHERE log_id = ?";
    private static final String MOVE = """
            INSERT INTO flk_record_positions (log_id, sequence, digest) VALUES (?, ?, ?)
            ON CONFLICT (log_id) DO UPDATE SET sequence = EXCLUDED.sequence, digest = EXCLUDED.digest""";
    private static final String FORGET_POSITION = "DELETE FROM flk_record_positions WHERE log_id = ?";
    private static final String NOTES =
            "SELECT name, text FROM flk_record_notes WHERE starts_with(name, ?) ORDER BY name";
    private static final String NOTE = """
            INSERT INTO flk_record_notes (name, text) SELECT * FROM unnest(?::text[], ?::text[])
            ON CONFLICT (name) DO UPDATE SET text = EXCLUDED.text""";

    /** A statement that removes the rows that were received first, with all their versions and reviews. */
    static final String REMOVE = """
            WITH old AS (
                SELECT row.shard, row.epoch, row.pcs_id FROM unnest(?::smallint[]) AS kinds (kind)
                CROSS JOIN LATERAL (
                    SELECT shard, epoch, pcs_id, received_millis FROM flk_record_versions
                    WHERE is_current AND kind = kinds.kind AND received_millis < ?
                    ORDER BY received_millis, number LIMIT ?) AS row
                ORDER BY row.received_millis LIMIT ?),
            reviews AS (
                DELETE FROM flk_record_reviews AS removed USING old
                WHERE removed.pcs_id = old.pcs_id AND removed.shard = old.shard AND removed.epoch = old.epoch
                RETURNING removed.number),
            versions AS (
                DELETE FROM flk_record_versions AS removed USING old
                WHERE removed.pcs_id = old.pcs_id AND removed.shard = old.shard AND removed.epoch = old.epoch
                RETURNING removed.number, removed.is_current)
            SELECT number, is_current FROM versions UNION ALL SELECT number, false FROM reviews""";

    /** A statement that removes the reviews of rows that do not exist. */
    static final String REMOVE_REVIEWS = """
            WITH old AS (
                SELECT shard, epoch, pcs_id FROM flk_record_reviews AS review
                WHERE is_current AND at_millis < ? AND NOT EXISTS (
                    SELECT 1 FROM flk_record_versions AS row
                    WHERE row.is_current AND row.shard = review.shard AND row.epoch = review.epoch
                        AND row.pcs_id = review.pcs_id)
                ORDER BY at_millis, number LIMIT ?)
            DELETE FROM flk_record_reviews AS removed USING old
            WHERE removed.pcs_id = old.pcs_id AND removed.shard = old.shard AND removed.epoch = old.epoch
            RETURNING removed.number, removed.is_current""";

    /** A query that reads {@code flk_record}, versions and reviews in one snapshot. */
    static final String CHANGES = """
            SELECT record_id, generation, last_number, removed_up_to,
                (SELECT token FROM flk_record_changes WHERE number = ?) AS present,
                row.shard, row.epoch, row.pcs_id, row.json, row.number, row.token, row.is_review
            FROM flk_record LEFT JOIN LATERAL (
                SELECT * FROM flk_record_changes
                WHERE number > ? ORDER BY number LIMIT ?) AS row ON true
            ORDER BY row.number""";

    private static final String NEWEST = """
            SELECT record_id, generation, last_number, removed_up_to,
                coalesce((SELECT token FROM flk_record_changes WHERE number = last_number), 0)
            FROM flk_record""";

    /** The maximum number of rows in one statement. */
    private static final int ROWS_AT_ONCE = 1_000;

    private RecordStatements() {}

    /**
     * The current version of a row.
     *
     * @param number the number of the version
     * @param sequence the sequence of the log record that has led to the version; 0 if it comes from no log
     */
    record Current(long number, int version, RecordedOutcome outcome, long sequence) {}

    /** A version to insert. */
    record Inserted(long number, int version, Placed row) {
        RowKey key() {
            return row.version().key();
        }

        RecordedOutcome outcome() {
            return row.version().outcome();
        }

        private <V> @Nullable V recomputed(Function<Recomputed, V> value) {
            Recomputed recomputed = outcome().verdict().recomputed();
            return recomputed == null ? null : value.apply(recomputed);
        }
    }

    /** Locks the record until the transaction ends. */
    static Head lock(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(LOCK);
                ResultSet row = statement.executeQuery()) {
            requireHead(row);
            return head(row);
        }
    }

    private static void requireHead(ResultSet rows) throws SQLException {
        if (!rows.next()) {
            throw new SQLException("the table flk_record is empty; restore the tables from a backup");
        }
    }

    private static Head head(ResultSet row) throws SQLException {
        return new Head(row.getString(1), row.getLong(2), row.getLong(3), row.getLong(4));
    }

    static Map<RowKey, Current> current(Connection connection, List<RowKey> keys) throws SQLException {
        Map<RowKey, Current> current = new HashMap<>();
        try (PreparedStatement statement = connection.prepareStatement(CURRENT)) {
            statement.setArray(1, array(connection, "bytea", keys, RecordRow::shard, new byte[0][]));
            statement.setArray(2, array(connection, "int8", keys, RowKey::epoch, new Long[0]));
            statement.setArray(3, array(connection, "bytea", keys, RecordRow::id, new byte[0][]));
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    Version version = version(rows, 3);
                    current.put(
                            version.key(),
                            new Current(rows.getLong(1), rows.getInt(2), version.outcome(), rows.getLong(7)));
                }
            }
        }
        return current;
    }

    /** Returns whether a row has a version with this value. */
    static boolean hasVersion(Connection connection, Version version) throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement("SELECT EXISTS (SELECT 1 FROM flk_record_versions"
                        + " WHERE shard = ? AND epoch = ? AND pcs_id = ? AND json = ?)")) {
            statement.setBytes(1, RecordRow.shard(version.key()));
            statement.setLong(2, version.key().epoch());
            statement.setBytes(3, RecordRow.id(version.key()));
            statement.setString(4, OutcomeJson.of(version.outcome()));
            try (ResultSet row = statement.executeQuery()) {
                row.next();
                return row.getBoolean(1);
            }
        }
    }

    /** Reads a version from the columns shard, epoch, pcs_id and json. */
    static Version version(ResultSet row, int first) throws SQLException {
        RowKey key = new RowKey(
                RecordRow.text(row.getBytes(first)),
                row.getLong(first + 1),
                HexFormat.of().formatHex(row.getBytes(first + 2)));
        try {
            PcsId id = PcsId.parse(key.pcsId()).orElseThrow();
            return new Version(key, OutcomeJson.parse(id, row.getString(first + 3)));
        } catch (IllegalArgumentException e) {
            throw new SQLException("a row of flk_record_versions has an unknown format: " + e.getMessage(), e);
        }
    }

    /** Says that versions are no longer current. */
    static void supersede(Connection connection, List<Long> numbers) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(SUPERSEDE)) {
            statement.setArray(1, array(connection, "int8", numbers, Function.identity(), new Long[0]));
            statement.executeUpdate();
        }
    }

    /**
     * Inserts versions with increasing numbers.
     *
     * @param newest the newest of these versions of each row
     * @param reviews decide which rows wait for a review
     */
    static void insert(
            Connection connection,
            List<Inserted> versions,
            Map<RowKey, Current> newest,
            GroupReviews reviews,
            long token,
            @Nullable String logId)
            throws SQLException {
        for (int from = 0; from < versions.size(); from += ROWS_AT_ONCE) {
            List<Inserted> part = versions.subList(from, Math.min(versions.size(), from + ROWS_AT_ONCE));
            try (PreparedStatement statement = connection.prepareStatement(INSERT)) {
                statement.setLong(1, token);
                statement.setString(2, logId);
                Columns columns = new Columns(connection, statement, part);
                columns.set("int8", Inserted::number, new Long[0]);
                columns.set("int4", Inserted::version, new Integer[0]);
                columns.set("bool", each -> isNewest(each, newest), new Boolean[0]);
                columns.set("int2", each -> (short) reviews.kind(each.row().version()), new Short[0]);
                columns.set("bytea", each -> RecordRow.shard(each.key()), new byte[0][]);
                columns.set("int8", each -> each.key().epoch(), new Long[0]);
                columns.set("bytea", each -> RecordRow.id(each.key()), new byte[0][]);
                columns.set("text", each -> OutcomeJson.of(each.outcome()), new String[0]);
                columns.set("int8", each -> each.outcome().receivedMillis(), new Long[0]);
                columns.set("int8", each -> each.outcome().measuredMillis(), new Long[0]);
                columns.set("text", each -> each.outcome().verdict().kind().label(), new String[0]);
                columns.set(
                        "text",
                        each -> Objects.requireNonNullElse(
                                each.recomputed(values -> values.regime().wireName()), ""),
                        new String[0]);
                columns.set("text", each -> RecordRow.storable(each.outcome().keyId()), new String[0]);
                columns.set("text", each -> each.outcome().cause(), new String[0]);
                columns.set("float8", each -> each.outcome().verdict().claimedDHat(), new Double[0]);
                columns.set("float8", each -> each.recomputed(Recomputed::dHat), new Double[0]);
                columns.set("float8", each -> budget(each.outcome()), new Double[0]);
                columns.set("float8", each -> each.recomputed(Recomputed::budget), new Double[0]);
                columns.set("int8", each -> each.row().sequence(), new Long[0]);
                statement.executeUpdate();
            }
        }
    }

    static void setLastNumber(Connection connection, long number) throws SQLException {
        update(connection, SET_LAST_NUMBER, number);
    }

    private static @Nullable Double budget(RecordedOutcome outcome) {
        return outcome.claims() == null ? null : (Double) outcome.claims().budget();
    }

    private static boolean isNewest(Inserted each, Map<RowKey, Current> newest) {
        Current current = newest.get(each.key());
        return current != null && current.number() == each.number();
    }

    /** The columns of {@link #INSERT}, which are set one after the other. */
    private static final class Columns {
        private final Connection connection;
        private final PreparedStatement statement;
        private final List<Inserted> versions;
        private int next = 3;

        Columns(Connection connection, PreparedStatement statement, List<Inserted> versions) {
            this.connection = connection;
            this.statement = statement;
            this.versions = versions;
        }

        <V> void set(String type, Function<Inserted, @Nullable V> column, V[] empty) throws SQLException {
            statement.setArray(next++, array(connection, type, versions, column, empty));
        }
    }

    static Optional<Position> position(Connection connection, String logId) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(POSITION)) {
            statement.setString(1, logId);
            try (ResultSet row = statement.executeQuery()) {
                return row.next()
                        ? Optional.of(new Position(logId, row.getLong(1), row.getString(2)))
                        : Optional.empty();
            }
        }
    }

    static void move(Connection connection, Position position) throws SQLException {
        update(connection, MOVE, position.logId(), position.sequence(), position.digest());
    }

    static void wentBack(Connection connection, String logId) throws SQLException {
        update(connection, FORGET_POSITION, logId);
        update(connection, NEXT_GENERATION);
    }

    static Map<String, String> notes(Connection connection, String prefix) throws SQLException {
        Map<String, String> notes = new LinkedHashMap<>();
        try (PreparedStatement statement = connection.prepareStatement(NOTES)) {
            statement.setString(1, prefix);
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    notes.put(rows.getString(1), rows.getString(2));
                }
            }
        }
        return notes;
    }

    static void note(Connection connection, Map<String, String> notes) throws SQLException {
        List<Map.Entry<String, String>> entries = List.copyOf(notes.entrySet());
        try (PreparedStatement statement = connection.prepareStatement(NOTE)) {
            statement.setArray(1, array(connection, "text", entries, Map.Entry::getKey, new String[0]));
            statement.setArray(2, array(connection, "text", entries, Map.Entry::getValue, new String[0]));
            statement.executeUpdate();
        }
    }

    /**
     * Removes at most {@code most} rows that were received before a time.
     *
     * @return the number of removed rows
     */
    static int remove(Connection connection, long beforeMillis, int most) throws SQLException {
        Object kinds = connection.createArrayOf("int2", RowKind.all(null, null).toArray());
        return remove(connection, REMOVE, kinds, beforeMillis, most, most);
    }

    /**
     * Removes all reviews of at most {@code most} rows that do not exist, whose newest one is from before a time.
     *
     * @return the number of rows
     */
    static int removeReviews(Connection connection, long beforeMillis, int most) throws SQLException {
        return remove(connection, REMOVE_REVIEWS, beforeMillis, most);
    }

    private static int remove(Connection connection, String sql, Object... parameters) throws SQLException {
        int rows = 0;
        long last = 0;
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            set(statement, parameters);
            try (ResultSet removed = statement.executeQuery()) {
                while (removed.next()) {
                    last = Math.max(last, removed.getLong(1));
                    rows += removed.getBoolean(2) ? 1 : 0;
                }
            }
        }
        if (last > 0) {
            update(connection, SET_REMOVED, last);
        }
        return rows;
    }

    /** A version or a review with its number and token. */
    record Numbered(long number, long token, Changed changed) {}

    /**
     * Versions and reviews in the order of their numbers.
     *
     * @param present the token of the change with the number before them; null if there is no such change
     */
    record Changes(Head head, @Nullable Long present, List<Numbered> changes) {}

    static Changes changes(Connection connection, long afterNumber, int limit) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(CHANGES)) {
            set(statement, afterNumber, afterNumber, limit);
            try (ResultSet rows = statement.executeQuery()) {
                requireHead(rows);
                Head head = head(rows);
                Long present = rows.getObject(5, Long.class);
                List<Numbered> changes = new ArrayList<>();
                do {
                    if (rows.getBytes(6) != null) {
                        Changed changed =
                                rows.getBoolean(12) ? RecordReviews.review(rows.getString(9)) : version(rows, 6);
                        changes.add(new Numbered(rows.getLong(10), rows.getLong(11), changed));
                    }
                } while (rows.next());
                return new Changes(head, present, changes);
            }
        }
    }

    static ChangeCursor newest(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(NEWEST);
                ResultSet row = statement.executeQuery()) {
            requireHead(row);
            Head head = head(row);
            return head.oldest().after(head.lastNumber(), row.getLong(5));
        }
    }

    private static void update(Connection connection, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            set(statement, parameters);
            statement.executeUpdate();
        }
    }

    static void set(PreparedStatement statement, Object... parameters) throws SQLException {
        for (int i = 0; i < parameters.length; i++) {
            statement.setObject(i + 1, parameters[i]);
        }
    }

    static <E, V> Array array(
            Connection connection, String type, List<E> elements, Function<E, @Nullable V> column, V[] empty)
            throws SQLException {
        List<@Nullable V> values = new ArrayList<>();
        elements.forEach(element -> values.add(column.apply(element)));
        return connection.createArrayOf(type, values.toArray(empty));
    }
}
