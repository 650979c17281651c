// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Calls of statements with all their parameters. */
final class SqlCalls {
    private SqlCalls() {}

    /** Reads a value from the current row. */
    interface Reader<T> {
        T read(ResultSet row) throws SQLException;
    }

    /** Receives the current row. */
    interface Visitor {
        void visit(ResultSet row) throws SQLException;
    }

    /** Returns what is read from each row of an answer. */
    static <T> List<T> query(Connection connection, String sql, Reader<T> reader, @Nullable Object... parameters)
            throws SQLException {
        List<T> read = new ArrayList<>();
        each(connection, sql, row -> read.add(reader.read(row)), parameters);
        return read;
    }

    static void each(Connection connection, String sql, Visitor visitor, @Nullable Object... parameters)
            throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            set(statement, parameters);
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    visitor.visit(rows);
                }
            }
        }
    }

    /** Returns the number of rows that a statement has changed. */
    static int update(Connection connection, String sql, @Nullable Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            set(statement, parameters);
            return statement.executeUpdate();
        }
    }

    private static void set(PreparedStatement statement, @Nullable Object... parameters) throws SQLException {
        for (int i = 0; i < parameters.length; i++) {
            statement.setObject(i + 1, parameters[i]);
        }
    }

    /** Makes arrays, as parameters of a statement, with a value for each of some elements. */
    record Columns<E>(Connection connection, List<E> elements) {
        Array bytes(Function<E, byte[]> column) throws SQLException {
            return of("bytea", column, new byte[0][]);
        }

        Array longs(Function<E, @Nullable Long> column) throws SQLException {
            return of("int8", column, new Long[0]);
        }

        Array shorts(Function<E, Short> column) throws SQLException {
            return of("int2", column, new Short[0]);
        }

        Array texts(Function<E, String> column) throws SQLException {
            return of("text", column, new String[0]);
        }

        private <V> Array of(String type, Function<E, @Nullable V> column, V[] empty) throws SQLException {
            List<@Nullable V> values = new ArrayList<>();
            elements.forEach(element -> values.add(column.apply(element)));
            return connection.createArrayOf(type, values.toArray(empty));
        }
    }
}
