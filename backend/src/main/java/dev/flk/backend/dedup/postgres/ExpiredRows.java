// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.postgres;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;

/**
 * Removes rows that have expired, a bounded number at a time, oldest first. Several backends share the work: each passes over
 * the rows that another is removing, or is replacing with a new outcome.
 */
final class ExpiredRows {
    private static final String REMOVE = """
            DELETE FROM %1$s WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM %1$s WHERE expires_at_millis <= ?
                ORDER BY expires_at_millis LIMIT ? FOR UPDATE SKIP LOCKED))""";

    static final String REMOVE_OUTCOMES = REMOVE.formatted("flk_outcomes");
    static final String REMOVE_EVIDENCE = REMOVE.formatted("flk_evidence");

    private ExpiredRows() {}

    /** Removes up to {@code most} outcomes, and as much evidence, and returns how many rows that were. */
    static int remove(Connection connection, long expiredByMillis, int most) throws SQLException {
        int removed = 0;
        for (String sql : List.of(REMOVE_OUTCOMES, REMOVE_EVIDENCE)) {
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                statement.setLong(1, expiredByMillis);
                statement.setInt(2, most);
                removed += statement.executeUpdate();
            }
        }
        return removed;
    }
}
