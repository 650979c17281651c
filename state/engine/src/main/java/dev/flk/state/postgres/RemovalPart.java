// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import java.sql.Connection;
import java.sql.SQLException;

/** One part of a removal, small enough that other backends can commit between two parts. */
final class RemovalPart {
    private static final int REVISIONS_AT_ONCE = 1_000;
    private static final int CHANGES_AT_ONCE = 5_000;

    private RemovalPart() {}

    /** Removes a part of the history that a compaction to {@code floor} does not retain; returns whether there is more. */
    static boolean compact(Connection connection, long floor) throws SQLException {
        long done = Jdbc.one(connection, Sql.REMOVED, row -> row.getLong(1)).orElseThrow();
        long to = next(connection, done, floor);
        Jdbc.update(connection, Sql.REMOVE_VERSIONS, done, to, to);
        Jdbc.update(connection, Sql.REMOVE_EVENTS, done, to);
        Jdbc.update(connection, Sql.NOTE_REMOVED, to);
        return to < floor;
    }

    /** Removes a part of the history of a namespace up to a revision; returns whether there is more. */
    static boolean trim(Connection connection, String namespace, long upTo) throws SQLException {
        long done = Jdbc.one(connection, Sql.TRIMMED, row -> row.getLong(2), namespace)
                .orElse(upTo);
        long to = next(connection, done, upTo);
        if (to > done) {
            Jdbc.update(connection, Sql.TRIM, namespace, done, to, namespace);
            Jdbc.update(connection, Sql.NOTE_TRIMMED, to, namespace);
        }
        return to < upTo;
    }

    /**
     * Returns the last revision of the next part of a removal. A part has at most {@link #REVISIONS_AT_ONCE} revisions.
     * It also has at most {@link #CHANGES_AT_ONCE} versions, unless it contains only one revision with versions.
     */
    private static long next(Connection connection, long done, long end) throws SQLException {
        long most = Jdbc.one(connection, Sql.PART, row -> row.getLong(1), done, done, CHANGES_AT_ONCE)
                .orElse(Long.MAX_VALUE);
        return Math.min(Math.min(done + REVISIONS_AT_ONCE, end), Math.max(done, most));
    }
}
