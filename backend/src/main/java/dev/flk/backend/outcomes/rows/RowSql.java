// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Calls of statements with all their parameters. */
final class RowSql {
    /** The time after which a query fails; others wait meanwhile. */
    private static final int MOST_SECONDS = 10;

    private RowSql() {}

    /** Reads a value from the current row. */
    interface Reader<T> {
        T read(ResultSet row) throws SQLException;
    }

    /** Takes the current row. */
    interface Visitor {
        void visit(ResultSet row) throws SQLException;
    }

    static void each(Connection on, String sql, Visitor visitor, @Nullable Object... parameters) throws SQLException {
        try (PreparedStatement statement = prepared(on, sql, parameters)) {
            statement.setQueryTimeout(MOST_SECONDS);
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    visitor.visit(rows);
                }
            }
        }
    }

    static <T> List<T> query(Connection on, String sql, Reader<T> reader, @Nullable Object... parameters)
            throws SQLException {
        List<T> read = new ArrayList<>();
        each(on, sql, row -> read.add(reader.read(row)), parameters);
        return read;
    }

    static <T> @Nullable T first(Connection on, String sql, Reader<T> reader, @Nullable Object... parameters)
            throws SQLException {
        List<T> read = query(on, sql, reader, parameters);
        return read.isEmpty() ? null : read.get(0);
    }

    static void update(Connection on, String sql, @Nullable Object... parameters) throws SQLException {
        try (PreparedStatement statement = prepared(on, sql, parameters)) {
            statement.execute();
        }
    }

    /** Executes a statement that may fail after another one has. */
    static void attempt(Connection on, String sql) {
        try {
            update(on, sql);
        } catch (SQLException e) {
            // the first failure is reported
        }
    }

    /** Closes what may have failed; the next opening shows what is wrong. */
    static void close(@Nullable AutoCloseable open) {
        try {
            if (open != null) {
                open.close();
            }
        } catch (Exception e) {
            // nobody needs it any more
        }
    }

    private static PreparedStatement prepared(Connection on, String sql, @Nullable Object... parameters)
            throws SQLException {
        PreparedStatement statement = on.prepareStatement(sql);
        for (int i = 0; i < parameters.length; i++) {
            statement.setObject(i + 1, parameters[i]);
        }
        return statement;
    }

    /** Returns numbers as the list of an {@code IN}; -1, which no row has, for an empty list. */
    static String in(Collection<Long> numbers) {
        return numbers.isEmpty() ? "-1" : numbers.stream().map(String::valueOf).collect(Collectors.joining(","));
    }
}
