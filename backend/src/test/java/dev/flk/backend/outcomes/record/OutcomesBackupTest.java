// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.outcomes.duckdb.DuckRecord;
import dev.flk.backend.outcomes.embedded.EmbeddedStore;
import dev.flk.backend.outcomes.embedded.OutcomesBackup;
import dev.flk.backend.outcomes.record.OutcomeRows.Changed;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.rows.DuckRows;
import dev.flk.program.logging.Audit;
import dev.flk.view.RocksView;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the rows in a backup of the outcomes. */
final class OutcomesBackupTest {
    private static final String LOG_ID = "log-1";

    @TempDir
    private Path directory;

    private static Version version(int number, String verdict) {
        return OutcomeRowsContract.outcome("shard", number).with(verdict).version();
    }

    private static void apply(OutcomeRows rows, long sequence, Version version) {
        rows.apply(new Group(
                new Position(LOG_ID, sequence, ""), List.of(new Placed(sequence, version)), List.of(), Map.of()));
    }

    /** Applies the records of a log, in which the second outcome of the first row is record 4. */
    private static void applyLog(OutcomeRows rows, int from, int to) {
        for (int sequence = from; sequence <= to; sequence++) {
            apply(rows, sequence, sequence == 4 ? version(1, "rejected") : version(sequence, "accepted"));
        }
    }

    private static List<Changed> changes(OutcomeRows rows) throws Exception {
        return rows.changes("", 100).stream().map(OutcomeRows.Change::changed).toList();
    }

    @Test
    void restore_logIsReadFromThePosition_rowsEqualThoseThatWereLost() throws Exception {
        Path copy = directory.resolve("copy");
        Path again = directory.resolve("again");
        List<Changed> lost;
        String cursor;
        Path dedup = Files.createDirectory(directory.resolve("dedup"));
        try (RocksView view = view(dedup);
                DuckRows rows = rows(dedup)) {
            applyLog(rows, 1, 5);
            new OutcomesBackup(
                            view, rows::copyTo, LOG_ID, () -> 5, Optional::empty, InstantSource.system(), Audit.none())
                    .make(copy, "anna");
            cursor = rows.newest();
            applyLog(rows, 6, 9);
            lost = changes(rows);
        }

        OutcomesBackup.restore(copy, again);

        try (DuckRows rows = rows(again)) {
            assertThat(rows.position(LOG_ID)).contains(new Position(LOG_ID, 5, ""));
            assertThat(rows.newest()).isEqualTo(cursor);
            applyLog(rows, 6, 9);
            assertThat(changes(rows)).isEqualTo(lost).hasSize(9);
            assertThat(rows.versions(version(1, "accepted").key(), 10)).hasSize(2);
        }
        assertThatThrownBy(() -> OutcomesBackup.restore(copy, again))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("is not empty: it has record.duckdb");
    }

    private static RocksView view(Path directory) {
        return EmbeddedStore.unopenedView(directory, 0, System::nanoTime, () -> {});
    }

    private static DuckRows rows(Path directory) {
        DuckRows rows = new DuckRows(directory.resolve(DuckRecord.FILES.get(0)), null, new SecureRandom());
        rows.reopen();
        return rows;
    }
}
