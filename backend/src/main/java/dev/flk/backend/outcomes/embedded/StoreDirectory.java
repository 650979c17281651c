// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.embedded;

import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The files of the embedded store, and at most one copy of a store that became unusable, kept for inspection. All files
 * are in one directory, which may be a mount:
 *
 * <pre>
 * CURRENT, MANIFEST-…, ….sst, …   the files of RocksDB
 * set-aside/                      the files of the store that was set aside last
 * set-aside/moving                a mark that exists while a store is being set aside
 * native/                         RocksDB's library while it is being loaded
 * </pre>
 *
 * <p>Other files are never touched: the directory may also contain the log's directory, or a file system's lost+found.
 */
final class StoreDirectory {
    private static final Logger LOG = LoggerFactory.getLogger(EmbeddedStore.class);
    private static final String SET_ASIDE = "set-aside";
    private static final String CURRENT = "CURRENT";
    private static final String MOVING = "moving";
    private static final Pattern OF_A_STORE = Pattern.compile(
            "CURRENT|IDENTITY|MANIFEST-[0-9]+|OPTIONS-[0-9]+(\\.dbtmp)?|LOG|LOG\\.old\\.[0-9]+|[0-9]+\\.(sst|log|blob|dbtmp)");

    private final Path directory;
    private final long keepFreeBytes;
    private volatile boolean cantDrop;

    /** @param keepFreeBytes the free disk space below which the copy of a store that was set aside is deleted */
    StoreDirectory(Path directory, long keepFreeBytes) {
        this.directory = directory;
        this.keepFreeBytes = keepFreeBytes;
    }

    Path path() {
        return directory;
    }

    Path setAsidePath() {
        return directory.resolve(SET_ASIDE);
    }

    /**
     * Returns whether CURRENT, the file that RocksDB starts from, is missing although the directory contains tables of
     * a store or the mark {@code set-aside/moving}. Either a crash interrupted setting the store aside, or the file was
     * lost.
     */
    boolean isHeadless() throws IOException {
        List<String> names = storeFiles().stream()
                .map(file -> String.valueOf(file.getFileName()))
                .toList();
        return !names.contains(CURRENT)
                && (names.stream().anyMatch(name -> name.endsWith(".sst"))
                        || Files.exists(setAsidePath().resolve(MOVING)));
    }

    /**
     * Moves the store's files to {@code set-aside}. The files must not be open. CURRENT is moved first, so that after a
     * crash the remaining files count as headless and the next start finishes the move.
     *
     * @return whether a copy is kept; false if the disk has no room for the copy next to the new store
     */
    boolean setAside() throws IOException {
        Path aside = setAsidePath();
        Path moving = aside.resolve(MOVING);
        if (!Files.exists(moving)) {
            deleteSetAside();
            Files.createDirectories(aside, OwnerOnly.directory(aside));
            Files.createFile(moving);
        }
        List<Path> files = storeFiles();
        files.sort((left, right) -> Boolean.compare(isCurrent(right), isCurrent(left)));
        long bytes = 0;
        for (Path file : files) {
            bytes += Files.size(file);
            Files.move(file, aside.resolve(String.valueOf(file.getFileName())), StandardCopyOption.REPLACE_EXISTING);
        }
        Files.delete(moving);
        if (freeBytes() < bytes + keepFreeBytes) {
            deleteSetAside();
            return false;
        }
        return true;
    }

    /** Deletes the copy of the store that was set aside, if the free disk space is below the limit. */
    void dropSetAsideIfShort() {
        if (!Files.isDirectory(setAsidePath()) || freeBytes() >= keepFreeBytes) {
            return;
        }
        try {
            deleteSetAside();
            LOG.warn(
                    "the embedded store that was set aside in {} was deleted, because the disk is nearly full",
                    setAsidePath());
        } catch (IOException e) {
            if (!cantDrop) {
                LOG.warn(
                        "the disk is nearly full, and the embedded store that was set aside in {} can't be deleted: {}",
                        setAsidePath(),
                        e.toString());
            }
            cantDrop = true;
        }
    }

    private long freeBytes() {
        return directory.toFile().getUsableSpace();
    }

    private static boolean isCurrent(Path file) {
        return file.endsWith(CURRENT);
    }

    private List<Path> storeFiles() throws IOException {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(
                directory,
                entry -> OF_A_STORE.matcher(String.valueOf(entry.getFileName())).matches()
                        && Files.isRegularFile(entry))) {
            entries.forEach(files::add);
        }
        return files;
    }

    private void deleteSetAside() throws IOException {
        if (!Files.isDirectory(setAsidePath())) {
            return;
        }
        Files.walkFileTree(setAsidePath(), new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException failure) throws IOException {
                if (failure != null) {
                    throw failure;
                }
                Files.delete(visited);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
