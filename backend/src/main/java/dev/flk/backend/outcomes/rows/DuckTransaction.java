// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.RowSql.update;

import dev.flk.backend.outcomes.rows.ChangeOrder.Meta;
import java.sql.SQLException;
import java.util.Collection;
import org.duckdb.DuckDBAppender;
import org.duckdb.DuckDBConnection;
import org.jspecify.annotations.Nullable;

/** The connection that writes, and its transactions, one after the other. After a failure, it is to be closed. */
final class DuckTransaction extends OpenTransaction implements AutoCloseable {
    private final DuckDBConnection connection;
    private boolean isBegun;
    private @Nullable DuckDBAppender appender;
    private boolean isFlushed = true;

    DuckTransaction(DuckDBConnection connection) throws SQLException {
        super(connection, Dialect.DUCKDB);
        this.connection = connection;
    }

    @Override
    DuckDBConnection connection() {
        return connection;
    }

    void begin() throws SQLException {
        if (!isBegun) {
            update(connection, "BEGIN TRANSACTION");
            isBegun = true;
        }
    }

    @Override
    Meta beginning(String logId, long firstSequence, long randomHistory) {
        return meta().nextGeneration(logId, firstSequence, randomHistory);
    }

    @Override
    long n(int generation, long sequence) {
        return StoredRow.n(generation, sequence);
    }

    @Override
    void append(Collection<StoredRow> rows) throws SQLException {
        DuckDBAppender open = appender;
        if (open == null) {
            open = connection.createAppender("flk_record_outcomes");
            appender = open;
        }
        for (StoredRow each : rows) {
            open.beginRow();
            for (Object value : each.values()) {
                append(open, value);
            }
            open.endRow();
        }
        isFlushed = false;
    }

    private static void append(DuckDBAppender to, @Nullable Object value) throws SQLException {
        if (value == null) {
            to.appendNull();
        } else if (value instanceof Long number) {
            to.append((long) number);
        } else if (value instanceof String text) {
            to.append(text);
        } else if (value instanceof Double number) {
            to.append((double) number);
        } else if (value instanceof Integer number) {
            to.append((int) number);
        } else if (value instanceof Short number) {
            to.append((short) number);
        } else if (value instanceof Boolean is) {
            to.append((boolean) is);
        } else {
            to.append((byte[]) value);
        }
    }

    @Override
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
        finish();
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
            RowSql.attempt(connection, "ROLLBACK");
            if (open != null) { // which would commit its rows when it is closed outside of a transaction
                RowSql.attempt(connection, "BEGIN TRANSACTION");
                RowSql.close(open);
                RowSql.attempt(connection, "ROLLBACK");
            }
        }
    }
}
