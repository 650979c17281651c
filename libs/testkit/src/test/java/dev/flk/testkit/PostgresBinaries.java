// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.JarURLConnection;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Objects;
import java.util.function.Consumer;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.compressors.xz.XZCompressorInputStream;

/**
 * The programs of Postgres, and directories that all servers of a build have in common. They are in the build directory
 * of this module, so the JVMs of a build make them once; a JVM whose servers can't read that directory makes its own.
 */
final class PostgresBinaries {
    private static final URL ARCHIVE = archive();
    private static final Path DIRECTORY = directory();
    private static final Path PROGRAMS = once("programs", PostgresBinaries::unpack);

    private PostgresBinaries() {}

    static String program(String name) {
        return PROGRAMS.resolve("bin").resolve(name).toString();
    }

    /**
     * Returns a directory that is made only once.
     *
     * @param make makes the directory at the given path, where nothing exists
     */
    static synchronized Path once(String name, Consumer<Path> make) {
        Path made = DIRECTORY.resolve(name);
        try (FileChannel file = FileChannel.open(
                        DIRECTORY.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock held = file.lock()) {
            if (held.isValid() && !Files.exists(made)) {
                Path unfinished = DIRECTORY.resolve(name + ".unfinished");
                if (Files.exists(unfinished)) { // a JVM was killed
                    DirectoryTree.remove(unfinished);
                }
                make.accept(unfinished);
                Files.move(unfinished, made, StandardCopyOption.ATOMIC_MOVE);
            }
            return made;
        } catch (IOException e) {
            throw new UncheckedIOException("can't make " + made, e);
        }
    }

    private static URL archive() {
        String machine = System.getProperty("os.arch").equals("aarch64") ? "arm_64" : "x86_64";
        String name = "/postgres-linux-" + machine + ".txz";
        return Objects.requireNonNull(PostgresBinaries.class.getResource(name), name);
    }

    /** Returns an existing directory for this version of Postgres. */
    private static Path directory() {
        try {
            Path classes = Path.of(PostgresBinaries.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
            Path target = classes.getParent(); // classes is a jar or a directory
            if (target.endsWith("target") && isReadableByServers(target)) {
                JarURLConnection archive = (JarURLConnection) ARCHIVE.openConnection();
                Path jar = Path.of(archive.getJarFileURL().toURI());
                return Files.createDirectories(target.resolve(jar.getFileName()));
            }
            Path own = Files.createTempDirectory("flk-postgres-programs");
            Runtime.getRuntime().addShutdownHook(new Thread(() -> DirectoryTree.remove(own)));
            Files.setPosixFilePermissions(own, PosixFilePermissions.fromString("rwxr-xr-x"));
            return own;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns whether the user of the servers, who is another one if this one is root, may enter a directory. */
    private static boolean isReadableByServers(Path directory) throws IOException {
        for (Path path = directory; path != null && PostgresServer.isRoot(); path = path.getParent()) {
            if (!Files.getPosixFilePermissions(path).contains(PosixFilePermission.OTHERS_EXECUTE)) {
                return false;
            }
        }
        return true;
    }

    private static void unpack(Path directory) {
        try (InputStream compressed = ARCHIVE.openStream();
                var tar = new TarArchiveInputStream(new XZCompressorInputStream(new BufferedInputStream(compressed)))) {
            Files.createDirectory(directory);
            for (TarArchiveEntry entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
                unpack(tar, entry, directory.resolve(entry.getName()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException("can't unpack Postgres", e);
        }
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
