// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import dev.flk.view.RocksView.Owner;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The files of a database, and at most one copy of a database that became unusable. All files are in one directory,
 * which may be a mount:
 *
 * <pre>
 * CURRENT, MANIFEST-…, ….sst, …   the files of RocksDB
 * keep-set-aside                  a mark of 0.1.0, which has no meaning any more
 * restoring                       a mark that exists while a {@link RocksCopy} is being restored
 * copying/                        what RocksDB has linked for a copy that is being made
 * set-aside/                      the files that were set aside last
 * set-aside/moving                a mark that exists while files are being set aside
 * native/                         RocksDB's library while it is being loaded
 * </pre>
 *
 * <p>Other files are never touched: the directory may also contain the log's directory, or a file system's lost+found.
 * Safe for any thread.
 */
final class RocksDirectory {
    private static final String SET_ASIDE = "set-aside";
    private static final String CURRENT = "CURRENT";
    private static final String MOVING = "moving";
    private static final String COPYING = "copying";
    /** The mark that a restore leaves if it is interrupted. */
    static final String RESTORING = "restoring";

    private static final Pattern OF_A_DATABASE = Pattern.compile("keep-set-aside|CURRENT|IDENTITY|MANIFEST-[0-9]+|"
            + "OPTIONS-[0-9]+(\\.dbtmp)?|LOG|LOG\\.old\\.[0-9]+|[0-9]+\\.(sst|log|blob|dbtmp)");

    private final Path directory;
    private final long keepFreeBytes;
    private final Owner owner;
    private boolean cantDrop; // guarded by this

    /** @param keepFreeBytes the free disk space below which the copy that was set aside is deleted */
    RocksDirectory(Path directory, long keepFreeBytes, Owner owner) {
        this.directory = directory;
        this.keepFreeBytes = keepFreeBytes;
        this.owner = owner;
    }

    Path path() {
        return directory;
    }

    Path setAsidePath() {
        return directory.resolve(SET_ASIDE);
    }

    /**
     * Returns whether CURRENT, the file that RocksDB starts from, is missing although the directory contains tables or
     * the mark {@code set-aside/moving}. Either a crash interrupted setting the files aside, or the file was lost.
     */
    boolean isHeadless() throws IOException {
        List<String> names = databaseFiles(directory).stream()
                .map(file -> String.valueOf(file.getFileName()))
                .toList();
        return !names.contains(CURRENT)
                && (names.stream().anyMatch(name -> name.endsWith(".sst"))
                        || Files.exists(setAsidePath().resolve(MOVING)));
    }

    /** Links or copies the files of the open database, and returns the copies. */
    List<Path> checkpoint(RocksView view) throws IOException {
        deleteCheckpoint();
        Path copied = Files.createDirectory(directory.resolve(COPYING), OwnerOnly.directory(directory))
                .resolve("files");
        try {
            view.checkpoint(copied);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        List<Path> files = new ArrayList<>();
        try (Stream<Path> entries = Files.list(copied)) {
            entries.forEach(files::add);
        }
        return files;
    }

    void deleteCheckpoint() throws IOException {
        delete(directory.resolve(COPYING));
    }

    /** Returns whether there is a database, open or not. */
    boolean exist() {
        return Files.exists(directory.resolve(CURRENT));
    }

    /** Returns whether a restore was interrupted, so that the files may be incomplete. */
    boolean isBeingRestored() {
        return Files.exists(directory.resolve(RESTORING));
    }

    /**
     * Marks the directory as being restored, and removes what an interrupted restore has left.
     *
     * @param others the names of files that count as files of the database
     * @throws IOException if the directory has other files of a database
     */
    static void beginRestore(Path directory, List<String> others) throws IOException {
        List<Path> files = databaseFiles(directory);
        Stream.concat(Stream.of(SET_ASIDE), others.stream())
                .map(directory::resolve)
                .filter(Files::exists)
                .forEach(files::add);
        Path mark = directory.resolve(RESTORING);
        if (!files.isEmpty() && !Files.exists(mark)) {
            throw new IOException(directory + " is not empty: it has "
                    + files.get(0).getFileName() + "; move it aside, and keep it until nothing in it is needed");
        }
        for (Path file : files) {
            Files.delete(file);
        }
        Files.write(mark, new byte[0]);
    }

    /** Removes the mark of a restore. */
    static void endRestore(Path directory) throws IOException {
        Files.delete(directory.resolve(RESTORING));
    }

    /**
     * Moves the files to {@code set-aside}. The files must not be open. CURRENT is moved first, so that after a crash the
     * remaining files count as headless and the next start finishes the move.
     *
     * @return a sentence that says where the files are now
     */
    synchronized String setAside() throws IOException {
        Path aside = setAsidePath();
        List<Path> files = databaseFiles(directory);
        files.sort(Comparator.comparing(file -> !file.endsWith(CURRENT)));
        Path moving = aside.resolve(MOVING);
        if (!Files.exists(moving)) {
            deleteSetAside();
            Files.createDirectories(aside, OwnerOnly.directory(aside));
            Files.createFile(moving);
        }
        long bytes = 0;
        for (Path file : files) {
            bytes += Files.size(file);
            Files.move(file, aside.resolve(String.valueOf(file.getFileName())), StandardCopyOption.REPLACE_EXISTING);
        }
        Files.delete(moving);
        if (freeBytes() < bytes + keepFreeBytes) {
            deleteSetAside();
            return "It was deleted, because the disk has no room to keep it.";
        }
        return "It was moved to " + aside + ".";
    }

    /** Deletes the copy that was set aside, if the free disk space is below the limit. */
    synchronized void dropSetAsideIfShort() {
        Path aside = setAsidePath();
        if (!Files.isDirectory(aside)
                || Files.exists(aside.resolve(MOVING)) // the next start finishes the move
                || freeBytes() >= keepFreeBytes) {
            return;
        }
        try {
            deleteSetAside();
            owner.log()
                    .warn(
                            "{} that was set aside in {} was deleted, because the disk is nearly full",
                            owner.name(),
                            aside);
        } catch (IOException e) {
            if (!cantDrop) {
                owner.log()
                        .warn(
                                "the disk is nearly full, and {} that was set aside in {} can't be deleted: {}",
                                owner.name(),
                                aside,
                                e.toString());
            }
            cantDrop = true;
        }
    }

    private long freeBytes() {
        return directory.toFile().getUsableSpace();
    }

    private static List<Path> databaseFiles(Path directory) throws IOException {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(
                directory,
                entry -> OF_A_DATABASE
                                .matcher(String.valueOf(entry.getFileName()))
                                .matches()
                        && Files.isRegularFile(entry))) {
            entries.forEach(files::add);
        }
        return files;
    }

    private void deleteSetAside() throws IOException {
        delete(setAsidePath());
    }

    /** Deletes a directory with its content; does nothing if it does not exist. */
    static void delete(Path unneeded) throws IOException {
        if (!Files.isDirectory(unneeded)) {
            return;
        }
        try (Stream<Path> files = Files.walk(unneeded)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
