// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.List;
import java.util.Optional;

/** Functions that execute single statements on a connection: they bind parameters in order and map rows. */
final class Jdbc {
    private static final int ROWS_AT_ONCE = 128;
    private static final int LARGE_ROWS_AT_ONCE = 4;
    private static final int LARGE_CHARS = 4_096;

    /** An array parameter. */
    record Values(String type, List<?> values) {}

    interface Row<T> {
        T of(ResultSet row) throws SQLException;
    }

    private Jdbc() {}

    static void bind(PreparedStatement statement, Object... values) throws SQLException {
        for (int i = 0; i < values.length; i++) {
            if (values[i] instanceof Values array) {
                boolean isBytes = array.type().equals("bytea"); // the driver requires byte[][]
                statement.setArray(
                        i + 1,
                        statement
                                .getConnection()
                                .createArrayOf(
                                        array.type(),
                                        isBytes
                                                ? array.values().toArray(byte[][]::new)
                                                : array.values().toArray()));
            } else {
                statement.setObject(i + 1, values[i]);
            }
        }
    }

    static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    static int update(Connection connection, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            bind(statement, values);
            return statement.executeUpdate();
        }
    }

    static <T> Optional<T> one(Connection connection, String sql, Row<T> row, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            bind(statement, values);
            try (ResultSet rows = statement.executeQuery()) {
                return rows.next() ? Optional.of(row.of(rows)) : Optional.empty();
            }
        }
    }

    /**
     * Passes each row to a function until the function returns false. Within a transaction, the driver fetches a
     * limited number of rows at a time, and fewer rows if the text in the last column is long.
     */
    static void each(Connection connection, String sql, Row<Boolean> row, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setFetchSize(LARGE_ROWS_AT_ONCE);
            bind(statement, values);
            try (ResultSet rows = statement.executeQuery()) {
                int last = rows.getMetaData().getColumnCount();
                boolean isText = rows.getMetaData().getColumnType(last) == Types.VARCHAR;
                boolean continues = true;
                while (continues && rows.next()) {
                    String value = isText ? rows.getString(last) : null;
                    rows.setFetchSize(
                            value != null && value.length() > LARGE_CHARS ? LARGE_ROWS_AT_ONCE : ROWS_AT_ONCE);
                    continues = row.of(rows);
                }
            }
        }
    }
}
