// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.RowSql.first;

import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.rows.ChangeOrder.Meta;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A transaction that changes rows, with what changes in every group, which {@link #finish} writes. */
abstract class OpenTransaction {
    private final Connection connection;
    private final Map<String, Integer> generations = new HashMap<>();
    private Meta stored;
    private Meta meta;
    private @Nullable Position position;

    OpenTransaction(Connection connection, Dialect dialect) throws SQLException {
        this.connection = connection;
        this.stored = Meta.read(connection, dialect.lock);
        this.meta = stored;
    }

    Connection connection() {
        return connection;
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
            known = first(
                    connection,
                    "SELECT generation FROM flk_record_positions WHERE log_id = ?",
                    row -> row.getInt(1),
                    logId);
        }
        return known;
    }

    /** Returns the values with which a log begins that has no generation. */
    abstract Meta beginning(String logId, long firstSequence, long randomHistory);

    /** Returns the number of the version or review to which a record of a log has led. */
    abstract long n(int generation, long sequence) throws SQLException;

    /** Notes the position of a log, and its generation. */
    void move(Position next, int generation) throws SQLException {
        if (position != null && !position.logId().equals(next.logId())) {
            writePosition(position);
        }
        position = next;
        generations.put(next.logId(), generation);
    }

    /** Begins another history, with no position for a log. */
    void wentBack(String logId, long randomHistory) throws SQLException {
        move(new Position(logId, 0, ""), ChangeOrder.ENDED);
        set(meta.withHistory(randomHistory));
    }

    private void writePosition(Position next) throws SQLException {
        ChangeOrder.move(connection, next, generations.getOrDefault(next.logId(), ChangeOrder.ENDED));
        position = null;
    }

    /** Adds rows to the table of outcomes; a statement sees them after {@link #flush}. */
    abstract void append(Collection<StoredRow> rows) throws SQLException;

    void flush() throws SQLException {}

    /** Writes what is not written yet, before the transaction is committed. */
    void finish() throws SQLException {
        if (position != null) {
            writePosition(position);
        }
        if (!meta.equals(stored)) {
            meta.write(connection);
            stored = meta;
        }
    }
}
