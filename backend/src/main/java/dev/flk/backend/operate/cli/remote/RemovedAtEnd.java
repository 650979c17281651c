// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A file, or a directory with its content, to be removed at the end, also if a signal ends the process. */
final class RemovedAtEnd implements AutoCloseable {
    private final Path path;
    private final Thread hook = new Thread(this::removeOnSignal, "remove-files");

    RemovedAtEnd(Path path) {
        this.path = path;
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /** Creates a directory for temporary files that only its owner can read. */
    static RemovedAtEnd directory() throws IOException {
        return new RemovedAtEnd(Files.createTempDirectory("flk-record-"));
    }

    Path path() {
        return path;
    }

    private void removeOnSignal() {
        try {
            remove();
        } catch (IOException e) {
            // the process ends, and nothing more can be done
        }
    }

    private void remove() throws IOException {
        if (Files.exists(path)) {
            List<Path> files;
            try (Stream<Path> found = Files.walk(path)) {
                files = found.sorted(Comparator.reverseOrder()).toList();
            }
            for (Path file : files) {
                Files.deleteIfExists(file);
            }
        }
    }

    @Override
    public void close() throws IOException {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            return; // the hook runs
        }
        remove();
    }
}
