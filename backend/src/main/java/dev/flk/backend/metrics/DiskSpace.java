// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What a directory of few files takes, and what its file system has left; asked at each scrape. */
public final class DiskSpace {
    private final Path directory;

    /** Looks at {@code directory}, without what is below it. */
    public DiskSpace(Path directory) {
        this.directory = directory;
    }

    /** Bytes of all files; NaN if they can't be listed. */
    public double usedBytes() {
        try (Stream<Path> files = Files.list(directory)) {
            return files.mapToLong(DiskSpace::size).sum();
        } catch (IOException | UncheckedIOException e) {
            return Double.NaN;
        }
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (NoSuchFileException e) {
            return 0; // renamed or removed since it was listed
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Bytes that can still be written; NaN if the file system does not say. */
    public double freeBytes() {
        try {
            return Files.getFileStore(directory).getUsableSpace();
        } catch (IOException e) {
            return Double.NaN;
        }
    }
}
