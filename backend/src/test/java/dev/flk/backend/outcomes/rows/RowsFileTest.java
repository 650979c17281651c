// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import org.duckdb.DuckDBDriver;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of files that can't be opened. */
class RowsFileTest {
    private static final String LOG = "log-1";

    @TempDir
    private Path directory;

    private Path file() {
        return directory.resolve("record.duckdb");
    }

    private Path sibling(String end) {
        return directory.resolve("record.duckdb" + end);
    }

    private DuckRows open() {
        DuckRows rows = new DuckRows(file(), null, new Random());
        rows.reopen();
        return rows;
    }

    private static void apply(DuckRows rows, int sequence) {
        rows.apply(new Group(
                new Position(LOG, sequence, ""),
                List.of(new Placed(
                        sequence,
                        MemoryRecord.version(
                                "shard",
                                sequence,
                                "accepted",
                                "",
                                Instant.EPOCH,
                                Map.of(),
                                "%08x".formatted(sequence).repeat(8)))),
                List.of(),
                Map.of()));
    }

    /** Writes rows as a process that is killed leaves them. */
    private void writeAndKill() throws IOException {
        try (DuckRows rows = open()) {
            for (int sequence = 1; sequence <= 20; sequence++) {
                apply(rows, sequence);
            }
            for (String end : List.of("", ".wal")) {
                Files.copy(sibling(end), directory.resolve("killed" + end));
            }
        }
        for (String end : List.of("", ".wal")) {
            Files.move(directory.resolve("killed" + end), sibling(end), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private void assertSetAsideAndEmpty() {
        try (DuckRows rows = new DuckRows(file(), null, new Random())) {
            reopen(rows);
            assertThat(rows.isIncomplete()).isTrue();
            assertThat(rows.position(LOG)).isEmpty();
            apply(rows, 1);
        }
        assertThat(sibling(".damaged")).exists();
    }

    /** Opens rows as the thread that writes does, which tries again. */
    private static void reopen(DuckRows rows) {
        try {
            rows.reopen();
        } catch (RecordUnavailableException e) {
            rows.reopen();
        }
    }

    @Test
    void killed_hasWhatWasApplied() throws IOException {
        writeAndKill();
        try (DuckRows rows = open()) {
            assertThat(rows.position(LOG)).contains(new Position(LOG, 20, ""));
            assertThat(rows.isIncomplete()).isFalse();
        }
    }

    @Test
    void processEndedWithinAnOpening_fileIsSetAside_andNothingIsOpenedAfterTheSecondTime() throws IOException {
        writeAndKill();
        Files.writeString(sibling(".opening"), "1");
        assertSetAsideAndEmpty();
        assertThat(sibling(".opening")).doesNotExist();

        Files.writeString(sibling(".opening"), "2");
        for (int i = 0; i < 2; i++) {
            assertThatThrownBy(this::open)
                    .isInstanceOf(RecordUnavailableException.class)
                    .hasMessageContaining("remove " + sibling(".opening"));
        }
        Files.delete(sibling(".opening"));
        try (DuckRows rows = open()) {
            assertThat(rows.position(LOG)).contains(new Position(LOG, 1, ""));
        }
    }

    @Test
    void creationDidNotEnd_isRepeated() throws IOException {
        Files.writeString(sibling(".new"), "half of a file");
        Files.writeString(sibling(".new.wal"), "half of its log");
        try (DuckRows rows = open()) {
            assertThat(rows.isIncomplete()).isFalse();
            apply(rows, 1);
        }
        assertThat(sibling(".new")).doesNotExist();
    }

    @Test
    void fileHasNoTables_nothingStaysOpen() throws Exception {
        try (Connection other = new DuckDBDriver().connect("jdbc:duckdb:" + file(), new Properties());
                Statement statement = other.createStatement()) {
            statement.execute("CREATE TABLE other (n INTEGER)");
        }
        try (DuckRows rows = new DuckRows(file(), null, new Random())) {
            for (int i = 0; i < 2; i++) {
                assertThatThrownBy(rows::reopen).hasMessageContaining("Table with name flk_record does not exist");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.0001, 0.1, 0.5})
    void truncated_isSetAside(double part) throws IOException {
        writeAndKill();
        open().close(); // moves the log of DuckDB to the file
        byte[] bytes = Files.readAllBytes(file());
        Files.write(file(), Arrays.copyOf(bytes, (int) (part * bytes.length)));
        assertSetAsideAndEmpty();
    }

    @Test
    void garbage_isSetAside() throws IOException {
        Files.writeString(file(), "garbage".repeat(10_000));
        assertSetAsideAndEmpty();
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.001, 0.5, 0.99})
    void logOfDuckDbIsDamaged_isSetAside(double at) throws IOException {
        writeAndKill();
        byte[] bytes = Files.readAllBytes(sibling(".wal"));
        bytes[(int) (at * bytes.length)] ^= 0x55;
        Files.write(sibling(".wal"), bytes);
        assertSetAsideAndEmpty();
    }
}
