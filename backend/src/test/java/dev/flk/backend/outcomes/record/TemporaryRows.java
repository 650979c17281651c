// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.embedded.EmbeddedStore;
import dev.flk.view.RocksView;
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
    private RocksView view;
    private OutcomeRows rows;

    /** Returns rows that the first {@link OutcomeRows#reopen} opens. */
    public static TemporaryRows unopened() {
        TemporaryRows unopened = new TemporaryRows();
        unopened.view.close();
        unopened.view = EmbeddedStore.unopenedView(unopened.current, 0, System::nanoTime, () -> {});
        unopened.rows = new EmbeddedRows(unopened.view, new SecureRandom());
        return unopened;
    }

    public TemporaryRows() {
        try {
            directory = Files.createTempDirectory("rows");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        open(directory.resolve("rows"));
    }

    static RocksView view(Path directory) {
        return EmbeddedStore.openView(directory, 0, System::nanoTime, () -> {});
    }

    /** Loses what was not flushed, as a kill does, and opens the rows again. */
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
        view.close();
        open(next);
    }

    private void open(Path in) {
        current = in;
        view = view(in);
        rows = new EmbeddedRows(view, new SecureRandom());
        rows.reopen();
    }

    public OutcomeRows rows() {
        return rows;
    }

    @Override
    public void close() {
        view.close();
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
