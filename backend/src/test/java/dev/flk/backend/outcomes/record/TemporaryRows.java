// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.rows.DuckRows;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Comparator;
import java.util.stream.Stream;

/** Rows in a directory that is deleted when they are closed. */
public final class TemporaryRows implements AutoCloseable {
    private final Path directory;
    private Path current;
    private int kills;
    private OutcomeRows rows;

    /** Returns rows that the first {@link OutcomeRows#reopen} opens. */
    public static TemporaryRows unopened() {
        TemporaryRows unopened = new TemporaryRows();
        unopened.rows.close();
        return unopened;
    }

    public TemporaryRows() {
        try {
            directory = Files.createTempDirectory("rows");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        open(directory);
    }

    /** Loses what was not committed, as a kill does, and opens the rows again. */
    public void kill() {
        Path next = directory.resolve("after-a-kill-" + ++kills);
        try (Stream<Path> files = Files.list(current)) {
            Files.createDirectories(next);
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.copy(file, next.resolve(file.getFileName()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        rows.close();
        open(next);
    }

    private void open(Path in) {
        current = in;
        rows = new DuckRows(in.resolve("record.duckdb"), null, new SecureRandom());
        rows.reopen();
    }

    public OutcomeRows rows() {
        return rows;
    }

    @Override
    public void close() {
        rows.close();
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
