// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.rocksdb.NativeLibraryLoader;

/**
 * The loader of RocksDB's native library. The library is unpacked into a directory that the caller chooses, and the
 * unpacked file is removed as soon as the library is loaded.
 */
public final class NativeLibrary {
    /** The name of the directory for unpacking, inside the directory of a database. */
    public static final String DIRECTORY = "native";

    private NativeLibrary() {}

    /**
     * Unpacks the library into {@code directory}, loads it, and removes the directory, including files that a killed
     * process left there.
     */
    public static void load(Path directory) throws IOException {
        RocksDirectory.delete(directory);
        Files.createDirectories(directory, OwnerOnly.directory(directory));
        try {
            NativeLibraryLoader.getInstance().loadLibrary(directory.toString());
        } finally {
            RocksDirectory.delete(directory);
        }
    }
}
