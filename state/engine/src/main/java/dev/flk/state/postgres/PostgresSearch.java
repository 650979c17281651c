// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.LimitedList;
import dev.flk.state.Storage.Page;
import dev.flk.state.Storage.Search;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The search in newest values, whose conditions become parts of one statement. */
final class PostgresSearch {
    private PostgresSearch() {}

    /** Finds a page; see {@link dev.flk.state.Storage.Reads#find}. */
    static Page<Document> find(
            Connection connection,
            String namespace,
            String agentId,
            Search search,
            @Nullable String after,
            int limit,
            long maxBytes)
            throws SQLException {
        LimitedList<Document> page = new LimitedList<>(maxBytes);
        try {
            StringBuilder sql = new StringBuilder(Sql.FIND);
            List<Object> values = new ArrayList<>(List.of(namespace, agentId, agentId));
            addConditions(connection, search, sql, values);
            addOrder(search.order(), after, sql, values);
            values.add(limit + 1);
            Jdbc.each(
                    connection,
                    sql.toString(),
                    row -> {
                        Document found = PostgresReads.document(namespace, row);
                        return page.entries().size() < limit
                                && page.add(found, found.version().jsonBytes());
                    },
                    values.toArray());
        } catch (SQLException e) {
            throw notFound(e, search);
        }
        boolean isAll = page.entries().size() < limit && !page.isFull();
        return new Page<>(
                page.entries(),
                isAll || page.entries().isEmpty()
                        ? null
                        : position(
                                search.order(),
                                page.entries().get(page.entries().size() - 1)));
    }

    private static void addConditions(Connection connection, Search search, StringBuilder sql, List<Object> values)
            throws SQLException {
        if (!search.jsonPath().isEmpty()) {
            boolean isPredicate = Jdbc.one(connection, Sql.IS_PREDICATE, row -> row.getBoolean(1), search.jsonPath())
                    .orElseThrow();
            sql.append(isPredicate ? Sql.HOLDS : Sql.EXISTS);
            values.add(search.jsonPath());
        }
        if (!search.contains().isEmpty()) {
            sql.append(Sql.CONTAINS);
            values.add(search.contains());
        }
    }

    /** @param after the {@link #position} of the last result of the previous page; null for the first page */
    private static void addOrder(Search.Order order, @Nullable String after, StringBuilder sql, List<Object> values) {
        String[] last = after == null ? new String[0] : after.split("\0", -1);
        if (last.length > 0) {
            switch (order) {
                case BY_KEY -> sql.append(Sql.AFTER_KEY);
                case OLDEST_FIRST -> {
                    sql.append(Sql.AFTER_OLDER);
                    values.add(Long.parseLong(last[0]));
                }
                case NEWEST_FIRST -> {
                    sql.append(Sql.AFTER_NEWER);
                    values.add(Long.parseLong(last[0]));
                    values.add(Long.parseLong(last[0]));
                }
            }
            values.add(last[last.length - 2]);
            values.add(last[last.length - 1]);
        }
        sql.append(
                switch (order) {
                    case BY_KEY -> Sql.BY_KEY;
                    case OLDEST_FIRST -> Sql.OLDEST_FIRST;
                    case NEWEST_FIRST -> Sql.NEWEST_FIRST;
                });
    }

    /**
     * Returns the position of a result in an order: the agent and the key, preceded by the revision unless the order is
     * {@code BY_KEY}.
     */
    private static String position(Search.Order order, Document last) {
        String key = last.key().agentId() + '\0' + last.key().name();
        return order == Search.Order.BY_KEY ? key : last.version().revision() + "\0" + key;
    }

    /**
     * Returns an exception with the reason {@code INVALID} for an error that the caller's search caused; throws any
     * other error.
     */
    private static RuntimeException notFound(SQLException e, Search search) throws SQLException {
        String state = String.valueOf(e.getSQLState());
        if (state.equals(DatabaseCalls.TOOK_TOO_LONG)) {
            return Reason.INVALID.because("the search takes too long; narrow it, or name an agent");
        }
        boolean isOfPath =
                !search.jsonPath().isEmpty() && String.valueOf(e.getMessage()).contains("jsonpath");
        boolean isOfValue = state.startsWith("22P")
                || (state.startsWith("22") && search.jsonPath().isEmpty());
        if (isOfValue && !isOfPath && !search.contains().isEmpty()) {
            return Reason.INVALID.because("contains is not JSON that Postgres understands: " + e.getMessage());
        }
        if (Stream.of("0A", "22", "42", "54").anyMatch(state::startsWith)) {
            return Reason.INVALID.because("json_path is not a path that Postgres understands: " + e.getMessage());
        }
        throw e;
    }
}
