// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.duckdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.outcomes.earlier.EarlierRows;
import dev.flk.backend.outcomes.record.OutcomeRows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of {@link DuckLibrary}. */
class DuckLibraryTest {
    @TempDir
    private Path directory;

    @Test
    void load_usesOnlyItsDirectory_andLeavesNothing() throws Exception {
        Path natives = directory.resolve("native");
        List<String> before = mapped();
        DuckLibrary library = DuckLibrary.loadOnce(Files.createDirectories(natives));
        OutcomeRows rows = (OutcomeRows) library.loadClass("dev.flk.backend.outcomes.rows.DuckRows")
                .getConstructor(Path.class, EarlierRows.class, RandomGenerator.class)
                .newInstance(directory.resolve("record.duckdb"), null, new Random());
        rows.reopen();

        assertThat(rows.shards("", null, 1)).isEmpty();
        rows.close();
        assertThat(natives).isEmptyDirectory();
        assertThat(mapped())
                .filteredOn(line -> !before.contains(line))
                .isNotEmpty()
                .allMatch(line -> line.contains(natives.toString()));
    }

    private static List<String> mapped() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains("duckdb_java")).toList();
        }
    }
}
