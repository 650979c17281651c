// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import java.sql.ResultSet;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * Texts as they are stored: U+0000, which Postgres can't store, is written as twice U+0001, and U+0001 as U+0001 U+0002,
 * so that the order and the prefixes of texts stay the same.
 */
final class StoredText {
    private StoredText() {}

    static String stored(String text) {
        return text.indexOf('\u0000') < 0 && text.indexOf('\u0001') < 0
                ? text
                : text.replace("\u0001", "\u0001\u0002").replace("\u0000", "\u0001\u0001");
    }

    /** Returns the text in a column that is never null. */
    static String text(ResultSet row, int column) throws SQLException {
        String stored = nullable(row, column);
        if (stored == null) {
            throw new SQLException("a text is missing in the column " + column);
        }
        return stored;
    }

    static @Nullable String nullable(ResultSet row, int column) throws SQLException {
        String stored = row.getString(column);
        return stored == null || stored.indexOf('\u0001') < 0
                ? stored
                : stored.replace("\u0001\u0001", "\u0000").replace("\u0001\u0002", "\u0001");
    }
}
