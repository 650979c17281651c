// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.wal.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.rocksdb.NativeLibraryLoader;

/**
 * Loads RocksDB's native library. It is unpacked into a directory of our own and removed again as soon as it is mapped, so that
 * nothing is left in the system's temporary directory, not even by a process that was killed.
 */
public final class NativeLibrary {
    /** Where it is unpacked, inside the directory of a database. */
    public static final String DIRECTORY = "native";

    private NativeLibrary() {}

    /** Unpacks into {@code directory}, loads, and removes it. What a killed process left there is removed too. */
    public static void load(Path directory) throws IOException {
        remove(directory);
        Files.createDirectories(directory, OwnerOnly.directory(directory));
        try {
            NativeLibraryLoader.getInstance().loadLibrary(directory.toString());
        } finally {
            remove(directory);
        }
    }

    private static void remove(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            return;
        }
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(directory);
    }
}
