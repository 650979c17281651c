// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A complete copy of a database in a directory of its own, made while the database is open. Besides the files of RocksDB,
 * the directory contains the text file {@value #FILE}, with a line for each fact and for each file:
 *
 * <pre>
 * flk-copy 1          the format
 * NAME VALUE          what the caller of {@link #make} says about the copy
 * file/NAME BYTES     a file of the copy, with its length
 * </pre>
 *
 * <p>RocksDB never changes a table, so tables are hard links where the file system permits; other files are copied. All
 * files are forced to disk before a copy or a restored database can be used.
 */
public final class RocksCopy {
    private static final String FILE = "copy.txt";
    private static final String FORMAT = "flk-copy 1";
    private static final String OF_A_FILE = "file/";
    private static final String TABLE = ".sst";

    private final Path directory;
    private final Map<String, String> about;
    private final Map<String, Long> files;

    /** The other files that belong to a copy. */
    public interface Others {
        /** Copies the files into a directory that exists, and forces them to disk; their names are others than RocksDB's. */
        void copyTo(Path directory) throws IOException;

        /** There are no others. */
        static Others none() {
            return directory -> {};
        }
    }

    private RocksCopy(Path directory, Map<String, String> about, Map<String, Long> files) {
        this.directory = directory;
        this.about = about;
        this.files = files;
    }

    /**
     * Copies an open database; nothing but the others if the directory never had one. The database is in use only while
     * RocksDB links its own tables, however long the rest takes. Calls for the same view must not overlap.
     *
     * @param target the directory of the copy, which must not exist, unlike its parent
     * @param others what else the copy is to have
     * @param about facts about the copy; names have no space, and values are one line
     * @throws IOException if the target exists, or the copy fails; a part of the copy may remain if it can't be removed
     * @throws ViewUnavailableException if the database is not open or fails
     */
    public static RocksCopy make(RocksView view, Path target, Others others, Map<String, String> about)
            throws IOException {
        if (Files.exists(target)) {
            throw new IOException(target + " already exists; choose another directory");
        }
        Path part = target.resolveSibling(target.getFileName() + ".part");
        try {
            Files.createDirectory(part, OwnerOnly.directory(part));
        } catch (FileAlreadyExistsException e) {
            throw new IOException(
                    part + " exists: a copy is being made, or was interrupted; remove it in that case", e);
        }
        try {
            others.copyTo(part);
            Map<String, Long> files = new LinkedHashMap<>();
            for (String name : new DiskFiles().list(part)) {
                files.put(name, Files.size(part.resolve(name)));
            }
            if (view.files().exist()) {
                for (Path file : view.files().checkpoint(view)) {
                    files.put(name(file), place(file, part));
                }
            }
            RocksCopy copy = new RocksCopy(target, Map.copyOf(about), files);
            copy.describe(part);
            Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
            new DiskFiles().forceDirectory(parent(target));
            return copy;
        } finally {
            RocksDirectory.delete(part);
            view.files().deleteCheckpoint();
        }
    }

    private void describe(Path part) throws IOException {
        StringBuilder text = new StringBuilder(FORMAT).append('\n');
        about.forEach(
                (name, value) -> text.append(name).append(' ').append(value).append('\n'));
        files.forEach((name, bytes) ->
                text.append(OF_A_FILE).append(name).append(' ').append(bytes).append('\n'));
        Path file = part.resolve(FILE);
        Files.writeString(file, text);
        force(file);
        new DiskFiles().forceDirectory(part);
    }

    /**
     * Reads what is known about a copy, and checks that its files are complete.
     *
     * @throws IOException if the directory is not a complete copy, or can't be read
     */
    public static RocksCopy read(Path directory) throws IOException {
        List<String> lines;
        try {
            lines = Files.readAllLines(directory.resolve(FILE));
        } catch (NoSuchFileException e) {
            throw new IOException(directory + " is not a backup: it has no " + FILE, e);
        }
        if (lines.isEmpty() || !lines.get(0).equals(FORMAT)) {
            throw new IOException(directory.resolve(FILE) + " does not begin with " + FORMAT
                    + ": it is damaged, or was written by a newer version");
        }
        Map<String, String> about = new LinkedHashMap<>();
        Map<String, Long> files = new LinkedHashMap<>();
        for (String line : lines.subList(1, lines.size())) {
            int space = line.indexOf(' ');
            if (space < 0) {
                throw new IOException(directory.resolve(FILE) + " is damaged: " + line);
            }
            String name = line.substring(0, space);
            String value = line.substring(space + 1);
            if (name.startsWith(OF_A_FILE)) {
                Path file = directory.resolve(name.substring(OF_A_FILE.length()));
                long bytes = Files.exists(file) ? Files.size(file) : 0;
                if (!value.equals(Long.toString(bytes))) {
                    throw new IOException(file + " has " + bytes + " bytes instead of " + value
                            + ": the backup was not copied completely; copy it again, or use another one");
                }
                files.put(name(file), bytes);
            } else {
                about.put(name, value);
            }
        }
        return new RocksCopy(directory, about, files);
    }

    /** Returns whether a restore into a directory was interrupted, so that its files may be incomplete. */
    public static boolean isUnfinished(Path directory) {
        return Files.exists(directory.resolve(RocksDirectory.RESTORING));
    }

    /** Returns what the caller of {@link #make} said about the copy. */
    public Map<String, String> about() {
        return about;
    }

    /** Returns the length of all files. */
    public long bytes() {
        return files.values().stream().mapToLong(Long::longValue).sum();
    }

    /**
     * Puts the copy into the directory of a database that is not in use and has no files. A kill leaves the mark {@link
     * RocksDirectory#RESTORING}, with which the database can't be opened, and from which another call continues.
     *
     * @param others the names of files that, like those of a database, the directory must not have
     * @throws IOException if the directory has files of a database, is in use, or can't be written
     */
    public void restore(Path target, List<String> others) throws IOException {
        Files.createDirectories(target, OwnerOnly.directory(target));
        try (FileChannel file =
                        FileChannel.open(target.resolve("LOCK"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock locked = file.tryLock()) {
            if (locked == null) {
                throw new IOException(target + " is in use by another process; stop it first");
            }
            DiskFiles disk = new DiskFiles();
            RocksDirectory.beginRestore(target, others);
            disk.forceDirectory(target);
            for (String name : files.keySet()) {
                long unused = place(directory.resolve(name), target);
            }
            disk.forceDirectory(target);
            RocksDirectory.endRestore(target);
            disk.forceDirectory(target);
            disk.forceDirectory(parent(target));
        }
    }

    /** Links or copies a file into a directory, forces it, and returns its length. */
    private static long place(Path file, Path directory) throws IOException {
        Path placed = directory.resolve(name(file));
        if (!placed.toString().endsWith(TABLE) || !isLinked(placed, file)) {
            Files.copy(file, placed, StandardCopyOption.REPLACE_EXISTING); // an interrupted restore may have left it
        }
        force(placed);
        return Files.size(placed);
    }

    private static boolean isLinked(Path link, Path file) {
        try {
            Files.createLink(link, file);
            return true;
        } catch (IOException | UnsupportedOperationException e) {
            return false; // another file system, or one without links; a copy reports any other problem
        }
    }

    private static void force(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
    }

    private static String name(Path file) {
        return String.valueOf(file.getFileName());
    }

    private static Path parent(Path directory) {
        return Objects.requireNonNull(directory.toAbsolutePath().getParent());
    }
}
