// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.Calls.first;
import static dev.flk.backend.outcomes.rows.Calls.update;

import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.rows.History.Meta;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.duckdb.DuckDBAppender;
import org.duckdb.DuckDBConnection;
import org.jspecify.annotations.Nullable;

/**
 * The connection that writes, with what changes in every group, which is written once, when the transaction is committed.
 * After a failure, it is to be closed.
 */
final class Transaction implements AutoCloseable {
    private final DuckDBConnection connection;
    private final Map<String, Integer> generations = new HashMap<>();
    private Meta stored;
    private Meta meta;
    private @Nullable Position position;
    private boolean isBegun;
    private @Nullable DuckDBAppender appender;
    private boolean isFlushed = true;

    Transaction(DuckDBConnection connection) throws SQLException {
        this.connection = connection;
        this.stored = Meta.read(connection);
        this.meta = stored;
    }

    DuckDBConnection connection() {
        return connection;
    }

    void begin() throws SQLException {
        if (!isBegun) {
            update(connection, "BEGIN TRANSACTION");
            isBegun = true;
        }
    }

    Meta meta() {
        return meta;
    }

    void set(Meta next) {
        meta = next;
    }

    /** Returns the generation of a log; null if it has none. */
    @Nullable
    Integer generation(String logId) throws SQLException {
        Integer known = generations.get(logId);
        if (known == null) {
            known = first(connection, "SELECT generation FROM positions WHERE log_id = ?", row -> row.getInt(1), logId);
        }
        return known;
    }

    /** Notes the position of a log, and its generation. */
    void move(Position next, int generation) throws SQLException {
        if (position != null && !position.logId().equals(next.logId())) {
            writePosition(position);
        }
        position = next;
        generations.put(next.logId(), generation);
    }

    private void writePosition(Position next) throws SQLException {
        History.move(connection, next, generations.getOrDefault(next.logId(), History.ENDED));
        position = null;
    }

    /** Adds rows to the table of outcomes; a statement sees them after {@link #flush}. */
    void append(Collection<StoredRow> rows) throws SQLException {
        DuckDBAppender open = appender;
        if (open == null) {
            open = connection.createAppender("outcomes");
            appender = open;
        }
        for (StoredRow each : rows) {
            each.append(open);
        }
        isFlushed = false;
    }

    void flush() throws SQLException {
        if (appender != null && !isFlushed) {
            long unused = appender.flush();
            isFlushed = true;
        }
    }

    /** Makes everything durable that was written since the last commit. */
    void commit() throws SQLException {
        if (!isBegun) {
            return;
        }
        if (position != null) {
            writePosition(position);
        }
        if (!meta.equals(stored)) {
            meta.write(connection);
            stored = meta;
        }
        if (appender != null) {
            appender.close();
            appender = null;
            isFlushed = true;
        }
        update(connection, "COMMIT");
        isBegun = false;
    }

    @Override
    public void close() throws SQLException {
        DuckDBAppender open = appender;
        try (connection) {
            Calls.attempt(connection, "ROLLBACK");
            if (open != null) { // which would commit its rows when it is closed outside of a transaction
                Calls.attempt(connection, "BEGIN TRANSACTION");
                Calls.close(open);
                Calls.attempt(connection, "ROLLBACK");
            }
        }
    }
}
