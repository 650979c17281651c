// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import dev.flk.backend.stores.postgres.PostgresCheck.Grade;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** A point of the checklist, which measures one value on the connection of the check. */
@FunctionalInterface
interface Point {
    Result look(Connection connection) throws SQLException;

    /** A {@link PostgresCheck.Finding} without the name of its point. */
    record Result(Grade grade, String measured, String limit, String advice) {
        static Result of(boolean isGood, String measured, String limit, String advice) {
            return new Result(isGood ? Grade.OK : Grade.BAD, measured, limit, isGood ? "" : advice);
        }

        static Result unknown(String why, String advice) {
            return new Result(Grade.UNKNOWN, why, "", advice);
        }
    }

    static long number(String text) {
        return Long.parseLong(text);
    }

    /** Returns the first column of all rows. */
    static List<String> column(Connection connection, String sql) throws SQLException {
        return rows(connection, sql).stream().map(row -> row.get(0)).toList();
    }

    /** Returns the only row of a query. */
    static List<String> row(Connection connection, String sql) throws SQLException {
        return rows(connection, sql).get(0);
    }

    /** Returns all rows of a query, each column as text; null stays null. */
    private static List<List<String>> rows(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(sql)) {
            List<List<String>> all = new ArrayList<>();
            while (rows.next()) {
                List<String> row = new ArrayList<>();
                for (int column = 1; column <= rows.getMetaData().getColumnCount(); column++) {
                    row.add(rows.getString(column));
                }
                all.add(row);
            }
            return all;
        }
    }
}
