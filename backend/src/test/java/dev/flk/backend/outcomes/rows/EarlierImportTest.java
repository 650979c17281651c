// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.outcomes.earlier.EarlierRows;
import dev.flk.backend.outcomes.embedded.EmbeddedStore;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Change;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.view.RocksView;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import org.duckdb.DuckDBDriver;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests that the rows of 0.1.0 become the same rows in DuckDB. The classes of 0.1.0 have written {@code
 * earlier-rows.tar.gz}: the rows, and their answers, by the program that is in it. There are two logs of which one went
 * back, rows with several versions and reviews, rows that were removed or salvaged, and reviews of missing rows.
 */
class EarlierImportTest {
    @TempDir
    private Path directory;

    /** Unpacks DEDUP_DIR of 0.1.0. */
    private Path unpack(String name) throws Exception {
        Path unpacked = Files.createDirectory(directory.resolve(name));
        EarlierFixture.unpack("earlier-rows.tar.gz", unpacked);
        return unpacked;
    }

    private static RocksView view(Path dedup) {
        return EmbeddedStore.unopenedView(dedup, 0, System::nanoTime, () -> {});
    }

    private DuckRows open(RocksView earlier) {
        DuckRows rows = new DuckRows(directory.resolve("record.duckdb"), new EarlierRows(earlier), new Random(3));
        rows.reopen();
        return rows;
    }

    private static List<String> answers(OutcomeRows rows) throws Exception {
        List<String> lines = new ArrayList<>();
        rows.changes("", 1_000).forEach(each -> lines.add(each.toString()));
        lines.add(rows.newest());
        lines.addAll(EarlierFixture.versionsAndReviews(rows));
        rows.waiting(1_000).stream().map(each -> each.toString()).sorted().forEach(lines::add);
        lines.add(rows.notes("") + " " + rows.position("log-0") + rows.position("log-1") + rows.faults(1_000));
        return lines;
    }

    @Test
    void reopen_rowsOf010_answerAsBefore_andContinue() throws Exception {
        Path unpacked = unpack("0.1.0");
        Version next = MemoryRecord.version("next", 1, "accepted", "", Instant.EPOCH, Map.of(), "a".repeat(64));
        try (RocksView view = view(unpacked.resolve("dedup"))) {
            try (DuckRows rows = open(view)) {
                assertThat(answers(rows)).isEqualTo(Files.readAllLines(unpacked.resolve("answers")));
                assertThat(new EarlierRows(view).exist()).isFalse();
                List<Change> changes = rows.changes("", 1_000);
                for (int i = 0; i < changes.size(); i++) {
                    assertThat(rows.changes(changes.get(i).cursor(), 1_000))
                            .isEqualTo(changes.subList(i + 1, changes.size()));
                }
                String newest = rows.newest();
                rows.apply(new Group(
                        new Position("log-1", 1_000, "d"), List.of(new Placed(1_000, next)), List.of(), Map.of()));
                assertThat(rows.changes(newest, 10)).hasSize(1);
            }
            try (DuckRows again = open(view)) {
                assertThat(again.versions(next.key(), 10)).containsExactly(next);
            }
        }
    }

    /** The last part of a copy has everything that is not a row; if the process ends after it, the earlier rows remain. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 77, 1_000})
    void reopen_copyWasInterrupted_isCompleted(int copied) throws Exception {
        List<String> answers;
        try (RocksView view = view(unpack("first").resolve("dedup"));
                DuckRows rows = open(view)) {
            answers = answers(rows);
        }
        if (copied < answers.size()) {
            removeAllBut(copied);
        }

        try (RocksView view = view(unpack("second").resolve("dedup"));
                DuckRows rows = open(view)) {
            assertThat(answers(rows)).isEqualTo(answers);
        }
    }

    private void removeAllBut(int changes) throws Exception {
        try (var connection = new DuckDBDriver()
                        .connect("jdbc:duckdb:" + directory.resolve("record.duckdb"), new Properties());
                var statement = connection.createStatement()) {
            statement.execute(
                    "CREATE TEMPORARY TABLE kept AS SELECT n FROM (SELECT n FROM flk_record_outcomes UNION ALL"
                            + " SELECT n FROM flk_record_reviews) ORDER BY n LIMIT " + changes);
            statement.execute("DELETE FROM flk_record_outcomes WHERE n NOT IN (SELECT n FROM kept)");
            statement.execute("DELETE FROM flk_record_reviews WHERE n NOT IN (SELECT n FROM kept)");
            statement.execute("DELETE FROM flk_record_notes; DELETE FROM flk_record_positions");
            statement.execute(
                    "UPDATE flk_record SET history = 0, generation = 0, beginning = 0, removed = 0, salvaged = 0");
        }
    }

    /** As with DEDUP_BACKEND=redis. */
    @Test
    void exist_noDatabase_isFalse_andCreatesNone() {
        Path dedup = directory.resolve("dedup");
        try (RocksView view = view(dedup)) {
            assertThat(new EarlierRows(view).exist()).isFalse();
        }
        assertThat(dedup).doesNotExist();
    }
}
