// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.copy;

import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.nio.file.Path;

/**
 * The directory next to a log in which segments of the copy are collected. It remains after a kill; the next use
 * empties it. The caller owns the log.
 */
final class TakenDirectory {
    private final FileOps files;
    private final Path path;

    /** Creates the directory, or empties it. */
    TakenDirectory(FileOps files, Path log) throws IOException {
        this.files = files;
        this.path = log.toAbsolutePath().resolveSibling(log.getFileName() + ".taken");
        files.createDirectories(path);
        empty();
    }

    Path path() {
        return path;
    }

    private void empty() throws IOException {
        for (String name : files.list(path)) {
            files.delete(path.resolve(name));
        }
    }

    void remove() throws IOException {
        empty();
        if (files.status(path).isPresent()) {
            files.delete(path);
        }
    }
}
