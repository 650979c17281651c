// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.testing;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Objects;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.compressors.xz.XZCompressorInputStream;

/** The programs of Postgres, unpacked once for each JVM into a temporary directory that is removed when the JVM ends. */
final class PostgresBinaries {
    private static final Path DIRECTORY = unpacked();

    private PostgresBinaries() {}

    static String program(String name) {
        return DIRECTORY.resolve("bin").resolve(name).toString();
    }

    private static Path unpacked() {
        try {
            Path directory = Files.createTempDirectory("flk-postgres-programs");
            Runtime.getRuntime().addShutdownHook(new Thread(() -> DirectoryTree.remove(directory)));
            try (var compressed = archive();
                    var tar = new TarArchiveInputStream(
                            new XZCompressorInputStream(new BufferedInputStream(compressed)))) {
                for (TarArchiveEntry entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
                    unpack(tar, entry, directory.resolve(entry.getName()));
                }
            }
            Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
            return directory;
        } catch (IOException e) {
            throw new UncheckedIOException("can't unpack Postgres", e);
        }
    }

    private static InputStream archive() {
        String machine = System.getProperty("os.arch").equals("aarch64") ? "arm_64" : "x86_64";
        String name = "/postgres-linux-" + machine + ".txz";
        return Objects.requireNonNull(PostgresBinaries.class.getResourceAsStream(name), name);
    }

    private static void unpack(TarArchiveInputStream tar, TarArchiveEntry entry, Path target) throws IOException {
        if (entry.isDirectory()) {
            Files.createDirectories(target);
            return;
        }
        Files.createDirectories(target.getParent());
        if (entry.isSymbolicLink()) {
            Files.createSymbolicLink(target, Path.of(entry.getLinkName()));
            return;
        }
        Files.copy(tar, target);
        boolean program = (entry.getMode() & 0100) != 0;
        Files.setPosixFilePermissions(target, PosixFilePermissions.fromString(program ? "rwxr-xr-x" : "rw-r--r--"));
    }
}
