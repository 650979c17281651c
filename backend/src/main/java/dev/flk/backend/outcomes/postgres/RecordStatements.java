// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import static dev.flk.backend.outcomes.postgres.SqlCalls.each;
import static dev.flk.backend.outcomes.postgres.SqlCalls.query;
import static dev.flk.backend.outcomes.postgres.SqlCalls.update;

import dev.flk.backend.decide.OutcomeJson;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.outcomes.postgres.ChangeCursor.Head;
import dev.flk.backend.outcomes.postgres.SqlCalls.Columns;
import dev.flk.backend.outcomes.record.OutcomeRows.Changed;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RowKind;
import dev.flk.certificate.PcsId;
import dev.flk.verification.Verdict.Recomputed;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
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
                ORDER BY row.received_millis LIMIT ?)
            DELETE FROM flk_record_versions AS removed USING old
            WHERE removed.pcs_id = old.pcs_id AND removed.shard = old.shard AND removed.epoch = old.epoch
            RETURNING removed.number, removed.is_current""";

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
        return one(query(connection, LOCK, RecordStatements::head));
    }

    private static <T> T one(List<T> rows) throws SQLException {
        if (rows.isEmpty()) {
            throw new SQLException("the table flk_record is empty; restore the tables from a backup");
        }
        return rows.get(0);
    }

    private static Head head(ResultSet row) throws SQLException {
        return new Head(row.getString(1), row.getLong(2), row.getLong(3), row.getLong(4));
    }

    static Map<RowKey, Current> current(Connection connection, List<RowKey> keys) throws SQLException {
        Map<RowKey, Current> current = new HashMap<>();
        Columns<RowKey> columns = new Columns<>(connection, keys);
        Function<RowKey, RowKey> same = Function.identity();
        each(
                connection,
                CURRENT,
                row -> {
                    Version version = version(row, 3);
                    current.put(
                            version.key(),
                            new Current(row.getLong(1), row.getInt(2), version.outcome(), row.getLong(7)));
                },
                columns.shards(same),
                columns.epochs(same),
                columns.ids(same));
        return current;
    }

    /** Returns whether a row has a version with this value. */
    static boolean hasVersion(Connection connection, Version version) throws SQLException {
        return !query(
                        connection,
                        "SELECT 1 FROM flk_record_versions WHERE shard = ? AND epoch = ? AND pcs_id = ? AND json = ? LIMIT 1",
                        row -> true,
                        RecordRow.shard(version.key()),
                        version.key().epoch(),
                        RecordRow.id(version.key()),
                        OutcomeJson.of(version.outcome()))
                .isEmpty();
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
        update(connection, SUPERSEDE, SqlCalls.longs(connection, numbers));
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
            Columns<Inserted> columns = new Columns<>(connection, part);
            update(
                    connection,
                    INSERT,
                    token,
                    logId,
                    columns.longs(Inserted::number),
                    columns.integers(Inserted::version),
                    columns.booleans(each -> isNewest(each, newest)),
                    columns.shorts(each -> (short) reviews.kind(each.row().version())),
                    columns.shards(Inserted::key),
                    columns.epochs(Inserted::key),
                    columns.ids(Inserted::key),
                    columns.texts(each -> OutcomeJson.of(each.outcome())),
                    columns.longs(each -> each.outcome().receivedMillis()),
                    columns.longs(each -> each.outcome().measuredMillis()),
                    columns.texts(each -> each.outcome().verdict().kind().label()),
                    columns.texts(each -> Objects.requireNonNullElse(
                            each.recomputed(values -> values.regime().wireName()), "")),
                    columns.texts(each -> RecordRow.storable(each.outcome().keyId())),
                    columns.texts(each -> each.outcome().cause()),
                    columns.doubles(each -> each.outcome().verdict().claimedDHat()),
                    columns.doubles(each -> each.recomputed(Recomputed::dHat)),
                    columns.doubles(each -> budget(each.outcome())),
                    columns.doubles(each -> each.recomputed(Recomputed::budget)),
                    columns.longs(each -> each.row().sequence()));
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

    static Optional<Position> position(Connection connection, String logId) throws SQLException {
        return query(connection, POSITION, row -> new Position(logId, row.getLong(1), row.getString(2)), logId).stream()
                .findFirst();
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
        each(connection, NOTES, row -> notes.put(row.getString(1), row.getString(2)), prefix);
        return notes;
    }

    static void note(Connection connection, Map<String, String> notes) throws SQLException {
        Columns<Map.Entry<String, String>> columns = new Columns<>(connection, List.copyOf(notes.entrySet()));
        update(connection, NOTE, columns.texts(Map.Entry::getKey), columns.texts(Map.Entry::getValue));
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
        int[] rows = {0};
        List<Long> removed = query(
                connection,
                sql,
                row -> {
                    rows[0] += row.getBoolean(2) ? 1 : 0;
                    return row.getLong(1);
                },
                parameters);
        if (!removed.isEmpty()) {
            update(connection, SET_REMOVED, Collections.max(removed));
        }
        return rows[0];
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
        List<Numbered> changes = new ArrayList<>();
        return one(query(
                connection,
                CHANGES,
                row -> {
                    if (row.getBytes(6) != null) {
                        Changed changed = row.getBoolean(12) ? RecordReviews.review(row.getString(9)) : version(row, 6);
                        changes.add(new Numbered(row.getLong(10), row.getLong(11), changed));
                    }
                    return new Changes(head(row), row.getObject(5, Long.class), changes);
                },
                afterNumber,
                afterNumber,
                limit));
    }

    static ChangeCursor newest(Connection connection) throws SQLException {
        return one(query(connection, NEWEST, row -> {
            Head head = head(row);
            return head.oldest().after(head.lastNumber(), row.getLong(5));
        }));
    }
}
