// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.RowSql.first;
import static dev.flk.backend.outcomes.rows.RowSql.query;
import static dev.flk.backend.outcomes.rows.RowSql.update;

import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.decide.OutcomeJson;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.certificate.PcsId;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;

/** The tables of 0.1.0 in Postgres, which have the values as JSON. They are copied once, a part in each transaction. */
final class EarlierTables {
    /** A query, because {@code to_regclass} may not know yet that another backend has removed the table. */
    private static final String IS_MINE = """
            SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class
            WHERE relname = 'flk_record_versions_before' AND pg_catalog.pg_table_is_visible(oid)""";

    /** The bit 16 of a kind says that the row waits for a review. */
    private static final String NEXT = """
            SELECT number, is_current, kind >= 16, shard, epoch, pcs_id, json, coalesce((
                SELECT number FROM flk_record_versions_before AS before
                WHERE before.pcs_id = stored.pcs_id AND before.shard = stored.shard AND before.epoch = stored.epoch
                    AND before.version = stored.version - 1), 0)
            FROM flk_record_versions_before AS stored WHERE number > ?
            UNION ALL
            SELECT number, is_current, NULL, shard, epoch, pcs_id, json, 0
            FROM flk_record_reviews_before WHERE number > ?
            ORDER BY 1 LIMIT ?""";

    private EarlierTables() {}

    /**
     * Copies the next rows; returns whether there may be more. Once all were copied, the tables are removed, if this user
     * may do so.
     */
    static boolean copy(PostgresTransaction open, int most) throws SQLException {
        Connection connection = open.connection();
        Boolean isMine = first(connection, IS_MINE, row -> row.getBoolean(1));
        if (isMine == null) {
            return false;
        }
        List<StoredRow> rows = new ArrayList<>();
        Long copied = first(connection, "SELECT number FROM flk_record_copied", row -> row.getLong(1));
        if (copied == null) {
            throw new SQLException("the table flk_record_copied is empty; restore the tables from a backup");
        }
        List<Long> numbers = query(connection, NEXT, row -> read(connection, row, rows), copied, copied, most);
        open.append(rows);
        if (!numbers.isEmpty()) {
            update(connection, "UPDATE flk_record_copied SET number = ?", numbers.get(numbers.size() - 1));
        } else if (isMine) {
            update(connection, "DROP TABLE flk_record_versions_before, flk_record_reviews_before");
        }
        return !numbers.isEmpty();
    }

    private static long n(long number) {
        return StoredRow.n(ChangeOrder.FIRST_GENERATION, number);
    }

    private static long read(Connection connection, ResultSet row, List<StoredRow> rows) throws SQLException {
        String json = row.getString(7);
        long number = row.getLong(1);
        long n = n(number);
        try {
            if (row.getObject(3) == null) {
                Reviewed reviewed = Reviewed.of(LoggedReview.decode(json.getBytes(StandardCharsets.UTF_8)));
                GroupWriting.insert(connection, n, row.getBoolean(2), reviewed);
                return number;
            }
            PcsId id = PcsId.parse(HexFormat.of().formatHex(row.getBytes(6))).orElseThrow();
            RowKey key = new RowKey(
                    new String(Objects.requireNonNull(row.getBytes(4)), StandardCharsets.UTF_8),
                    row.getLong(5),
                    id.toString());
            long before = row.getLong(8);
            rows.add(new StoredRow(
                    n,
                    before == 0 ? 0 : n(before),
                    row.getBoolean(2),
                    row.getBoolean(3),
                    new Version(key, OutcomeJson.parse(id, json))));
            return number;
        } catch (IllegalArgumentException e) {
            throw new SQLException("a row of 0.1.0 has an unknown format: " + e.getMessage(), e);
        }
    }
}
