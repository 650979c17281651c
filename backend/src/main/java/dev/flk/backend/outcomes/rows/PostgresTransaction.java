// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import dev.flk.backend.outcomes.rows.ChangeOrder.Meta;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A transaction that has locked the record, so that transactions become visible in the order of their numbers. All logs
 * are of one generation, and what they lead to is numbered in the order in which it is applied.
 */
final class PostgresTransaction extends OpenTransaction {
    private static final String INSERT = "INSERT INTO flk_record_outcomes VALUES ("
            + String.join(",", Collections.nCopies(StoredRow.COLUMNS_IN_TABLE, "?")) + ")";

    private long last;

    PostgresTransaction(Connection connection) throws SQLException {
        super(connection, Dialect.POSTGRES);
    }

    @Override
    Meta beginning(String logId, long firstSequence, long randomHistory) {
        return meta();
    }

    @Override
    long n(int generation, long sequence) throws SQLException {
        if (last == 0) {
            last = Math.max(ChangeOrder.last(connection()), Math.max(meta().removed(), meta().beginning()));
        }
        return ++last;
    }

    @Override
    void append(Collection<StoredRow> rows) throws SQLException {
        try (PreparedStatement insert = connection().prepareStatement(INSERT)) {
            for (StoredRow each : rows) {
                List<@Nullable Object> values = each.values();
                for (int i = 0; i < values.size(); i++) {
                    insert.setObject(i + 1, values.get(i));
                }
                insert.addBatch();
            }
            int[] unused = insert.executeBatch();
        }
    }
}
