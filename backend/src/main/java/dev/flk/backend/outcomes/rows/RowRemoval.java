// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.RowSql.first;
import static dev.flk.backend.outcomes.rows.RowSql.in;
import static dev.flk.backend.outcomes.rows.RowSql.query;
import static dev.flk.backend.outcomes.rows.RowSql.update;

import dev.flk.backend.outcomes.rows.ChangeOrder.Meta;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

/** The removal of old rows and reviews. */
final class RowRemoval {
    private RowRemoval() {}

    /** Removes some; returns whether there may be more. */
    static boolean sweep(OpenTransaction open, Dialect dialect, long beforeMillis) throws SQLException {
        Long last = first(
                open.connection(),
                "SELECT coalesce(max(n), 0) FROM (SELECT n FROM flk_record_outcomes WHERE is_current AND received < ?"
                        + " ORDER BY n LIMIT " + dialect.removedAtOnce + ") AS oldest",
                row -> row.getLong(1),
                beforeMillis);
        return (last == null || last == 0) ? sweepReviews(open, beforeMillis) : sweepRows(open, beforeMillis, last);
    }

    private static boolean sweepRows(OpenTransaction open, long beforeMillis, long last) throws SQLException {
        String old = " FROM flk_record_outcomes WHERE is_current AND received < ? AND n <= ?";
        Connection connection = open.connection();
        Meta meta = open.meta().withRemoved(last);
        List<Long> earlier = query(
                connection, "SELECT before" + old + " AND before <> 0", row -> row.getLong(1), beforeMillis, last);
        update(connection, "DELETE" + old, beforeMillis, last);
        while (!earlier.isEmpty()) {
            List<Long> next = query(
                    connection,
                    "SELECT before FROM flk_record_outcomes WHERE n IN (" + in(earlier) + ") AND before <> 0",
                    row -> row.getLong(1));
            update(connection, "DELETE FROM flk_record_outcomes WHERE n IN (" + in(earlier) + ")");
            for (long each : earlier) {
                meta = meta.withRemoved(each);
            }
            earlier = next;
        }
        open.set(meta);
        return true;
    }

    private static boolean sweepReviews(OpenTransaction open, long beforeMillis) throws SQLException {
        Connection connection = open.connection();
        List<Long> old = query(connection, """
                SELECT n FROM flk_record_reviews WHERE (shard, epoch, id, pcs_id) IN (
                    SELECT shard, epoch, id, pcs_id FROM flk_record_reviews AS review
                    WHERE is_current AND at_millis < ? AND NOT EXISTS (SELECT 1 FROM flk_record_outcomes AS stored
                        WHERE stored.is_current AND stored.id = review.id AND stored.shard = review.shard
                            AND stored.epoch = review.epoch)
                    LIMIT 500)""", row -> row.getLong(1), beforeMillis);
        if (old.isEmpty()) {
            return false;
        }
        Meta meta = open.meta();
        for (long each : old) {
            meta = meta.withRemoved(each);
        }
        update(connection, "DELETE FROM flk_record_reviews WHERE n IN (" + in(old) + ")");
        open.set(meta);
        return true;
    }
}
