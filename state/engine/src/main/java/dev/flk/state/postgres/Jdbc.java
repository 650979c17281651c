// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import dev.flk.state.StateKey;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Functions that execute single statements on a connection: they bind parameters in order and map rows. */
final class Jdbc {
    private static final int ROWS_AT_ONCE = 128;
    private static final int LARGE_ROWS_AT_ONCE = 4;
    private static final int LARGE_CHARS = 4_096;

    /** An array parameter. */
    record Values(String type, List<?> values) {}

    static <T> Values bigints(Collection<T> of, Function<T, @Nullable Long> column) {
        return new Values("bigint", of.stream().map(column).toList());
    }

    static <T> Values ints(Collection<T> of, Function<T, Integer> column) {
        return new Values("int", of.stream().map(column).toList());
    }

    static <T> Values texts(Collection<T> of, Function<T, @Nullable String> column) {
        return new Values("text", of.stream().map(column).toList());
    }

    /** Returns the parts of keys, as three array parameters. */
    static Values[] keys(Collection<StateKey> keys) {
        return new Values[] {
            texts(keys, StateKey::namespace), texts(keys, StateKey::agentId), texts(keys, StateKey::name)
        };
    }

    interface Row<T> {
        T of(ResultSet row) throws SQLException;
    }

    private Jdbc() {}

    /** Binds parameters; the {@link #keys} among them count as three. */
    static void bind(PreparedStatement statement, Object... values) throws SQLException {
        int index = 0;
        for (Object value : values) {
            for (Object each : value instanceof Values[] keys ? keys : new Object[] {value}) {
                if (each instanceof Values array) {
                    boolean isBytes = array.type().equals("bytea"); // the driver requires byte[][]
                    Object[] elements = isBytes
                            ? array.values().toArray(byte[][]::new)
                            : array.values().toArray();
                    statement.setArray(++index, statement.getConnection().createArrayOf(array.type(), elements));
                } else {
                    statement.setObject(++index, each);
                }
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

    /** Returns all rows of a query. */
    static <T> List<T> all(Connection connection, String sql, Row<T> row, Object... values) throws SQLException {
        List<T> all = new ArrayList<>();
        each(connection, sql, found -> all.add(row.of(found)), values);
        return all;
    }
}
