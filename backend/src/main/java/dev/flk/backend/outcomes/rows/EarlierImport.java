// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.RowSql.first;

import dev.flk.backend.outcomes.earlier.EarlierRows;
import dev.flk.backend.outcomes.earlier.EarlierRows.Copy;
import dev.flk.backend.outcomes.earlier.EarlierRows.Stored;
import dev.flk.backend.outcomes.earlier.EarlierRows.Values;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.rows.ChangeOrder.Meta;
import dev.flk.view.ViewUnavailableException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The copy of the rows of 0.1.0, before anything else is written. Each part is one transaction, so that a copy that was
 * interrupted continues after its last row. Numbers stay the same, so cursors of changes stay valid.
 */
final class EarlierImport {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");
    private static final int ROWS_AT_ONCE = 10_000;

    private final EarlierRows from;
    private final BooleanSupplier continues;
    private final DuckTransaction open;
    private final Connection to;

    /** @param continues asked before each part; the copy fails if it returns false, and is continued by another one */
    EarlierImport(EarlierRows from, DuckTransaction open, BooleanSupplier continues) {
        this.from = from;
        this.continues = continues;
        this.open = open;
        this.to = open.connection();
    }

    /**
     * Copies all rows, and removes the originals. Only removes them if the record was complete before: then an earlier
     * version was used once more, and the log leads to the same outcomes.
     */
    void run() throws SQLException, ViewUnavailableException {
        if (first(to, "SELECT 1 FROM flk_record_positions LIMIT 1", row -> 1) == null) {
            copy();
        } else {
            LOG.warn("what an earlier version has recorded since the record was copied is derived from the log");
        }
        from.remove();
    }

    private void copy() throws SQLException, ViewUnavailableException {
        boolean isAll = false;
        long after = ChangeOrder.last(to);
        while (!isAll) {
            if (!continues.getAsBoolean()) {
                throw new RecordUnavailableException("the copy of the rows of an earlier version is interrupted", null);
            }
            Part part = new Part();
            isAll = from.copy(after, part);
            part.write();
            after = part.last(after);
            LOG.info("the rows of an earlier version are copied into the record: {} so far", count());
        }
    }

    private long count() throws SQLException {
        Long rows = first(to, "SELECT count(*) FROM flk_record_outcomes", row -> row.getLong(1));
        return rows == null ? 0 : rows;
    }

    private final class Part implements Copy {
        private final List<Stored> stored = new ArrayList<>();
        private final List<String[]> notes = new ArrayList<>();
        private final List<Object[]> positions = new ArrayList<>();
        private Meta meta = new Meta(0, 0, 0, 0, 0);
        private boolean hasMeta;

        @Override
        public boolean add(Stored each) {
            stored.add(each);
            return stored.size() < ROWS_AT_ONCE;
        }

        @Override
        public void note(String name, String text) {
            notes.add(new String[] {name, text});
        }

        @Override
        public void position(int generation, Position position) {
            positions.add(new Object[] {generation, position});
        }

        @Override
        public void values(Values values) {
            meta = new Meta(
                    values.history(), values.generation(), values.beginning(), values.removed(), values.salvaged());
            hasMeta = true;
        }

        long last(long before) {
            return stored.isEmpty() ? before : stored.get(stored.size() - 1).n();
        }

        void write() throws SQLException {
            open.begin();
            List<StoredRow> rows = new ArrayList<>();
            for (Stored each : stored) {
                if (each.changed() instanceof Version version) {
                    rows.add(new StoredRow(each.n(), each.before(), each.isCurrent(), each.waits(), version));
                }
            }
            open.append(rows);
            for (Stored each : stored) {
                if (each.changed() instanceof Reviewed reviewed) {
                    GroupWriting.insert(to, each.n(), each.isCurrent(), reviewed);
                }
            }
            for (String[] note : notes) {
                ChangeOrder.note(to, note[0], note[1]);
            }
            for (Object[] position : positions) {
                open.move((Position) position[1], (Integer) position[0]);
            }
            if (hasMeta) {
                open.set(meta);
            }
            open.commit();
        }
    }
}
