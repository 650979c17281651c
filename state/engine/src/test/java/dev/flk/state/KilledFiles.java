// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Copies of files as a killed process leaves them. */
public final class KilledFiles {
    private KilledFiles() {}

    /** Copies the files of a running process to another directory; starts over if RocksDB replaces files meanwhile. */
    public static void leave(Path from, Path to) throws IOException {
        boolean isComplete = false;
        while (!isComplete) {
            delete(to);
            try {
                List<String> before = listing(from);
                copy(from, to);
                isComplete = before.equals(listing(from));
            } catch (NoSuchFileException e) {
                // a file was removed after it was listed: copy again
            } catch (UncheckedIOException e) {
                if (!(e.getCause() instanceof NoSuchFileException)) {
                    throw e;
                }
            }
        }
        if (Files.exists(from.resolve("answered"))) {
            Files.delete(to.resolve("answered"));
            Files.createLink(to.resolve("answered"), from.resolve("answered")); // the same file, not a copy
        }
    }

    private static List<String> listing(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            return files.map(file -> file + " " + file.toFile().length())
                    .sorted()
                    .toList();
        }
    }

    public static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(from.relativize(file)));
            }
        }
    }

    public static void delete(Path path) throws IOException {
        if (Files.exists(path)) {
            try (Stream<Path> files = Files.walk(path)) {
                for (Path file : files.sorted((a, b) -> b.compareTo(a)).toList()) {
                    Files.delete(file);
                }
            }
        }
    }
}
