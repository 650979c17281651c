// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.audit;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileOwnerAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Lines in files that never take more than so many bytes together: a full one is put aside as {@code NAME.1.jsonl}, the one before as
 * {@code NAME.2.jsonl}, and the oldest goes. Several processes may append; each holds {@code NAME.lock} meanwhile. Safe for any thread.
 */
final class BoundedFile {
    /** How many full ones are kept. */
    static final int KEPT = 3;

    private static final FileAttribute<?> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    private static final FileAttribute<?> OWNERS_DIRECTORY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
    /** Root's commands write where a lesser account may: a link that it puts there would lead them to any file. */
    private static final LinkOption NO_LINKS = LinkOption.NOFOLLOW_LINKS;
    /** Two locks on one file are a mistake within a process. */
    private static final Object ONE_OF_THIS_PROCESS = new Object();

    private final Path directory;
    private final String name;
    private final long mostBytesEach;

    /** @param mostBytes of all files together */
    BoundedFile(Path directory, String name, long mostBytes) {
        this.directory = directory;
        this.name = name;
        this.mostBytesEach = Math.max(1, mostBytes / (KEPT + 1));
    }

    /** All files of that name that may be there, the oldest first. */
    static List<Path> files(Path directory, String name) {
        List<Path> files = new ArrayList<>();
        for (int age = KEPT; age >= 0; age--) {
            files.add(file(directory, name, age));
        }
        return files;
    }

    private static Path file(Path directory, String name, int age) {
        return directory.resolve(age == 0 ? name + ".jsonl" : name + "." + age + ".jsonl");
    }

    /**
     * Appends lines, each with its end; makes directory and file if need be.
     *
     * @param force whether they are on disk when it returns
     */
    void append(List<String> lines, boolean force) throws IOException {
        byte[] bytes = String.join("", lines).getBytes(StandardCharsets.UTF_8);
        synchronized (ONE_OF_THIS_PROCESS) {
            if (!Files.isDirectory(directory)) {
                Files.createDirectories(directory, OWNERS_DIRECTORY);
            }
            // closing the file gives the lock back
            try (FileChannel lockFile = open(directory.resolve(name + ".lock"))) {
                FileLock unused = lockFile.lock();
                append(bytes, force);
            }
        }
    }

    private void append(byte[] bytes, boolean force) throws IOException {
        Path current = file(directory, name, 0);
        boolean isNew = !Files.exists(current);
        if (!isNew && Files.size(current) + bytes.length > mostBytesEach && Files.size(current) > 0) {
            putAside();
            isNew = true;
        }
        try (FileChannel channel = open(current)) {
            if (!isNew && !endsWithLine(channel)) {
                write(channel, new byte[] {'\n'}); // somebody died in the middle of one
            }
            write(channel, bytes);
            if (force) {
                channel.force(true);
            }
        }
        if (isNew && force) {
            try (FileChannel entries = FileChannel.open(directory, StandardOpenOption.READ)) {
                entries.force(true);
            }
        }
    }

    private void putAside() throws IOException {
        for (int age = KEPT - 1; age >= 0; age--) {
            Path file = file(directory, name, age);
            if (Files.exists(file)) {
                Files.move(file, file(directory, name, age + 1), StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    private static boolean endsWithLine(FileChannel channel) throws IOException {
        ByteBuffer last = ByteBuffer.allocate(1);
        return channel.size() == 0 || (channel.read(last, channel.size() - 1) == 1 && last.get(0) == '\n');
    }

    private static void write(FileChannel channel, byte[] bytes) throws IOException {
        ByteBuffer rest = ByteBuffer.wrap(bytes);
        channel.position(channel.size());
        while (rest.hasRemaining()) {
            channel.write(rest);
        }
    }

    /** A file of the owner of the directory: what root's commands write, the backend's account must be able to go on with. */
    private FileChannel open(Path file) throws IOException {
        Set<OpenOption> existing = Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, NO_LINKS);
        if (Files.exists(file, NO_LINKS)) {
            return FileChannel.open(file, existing);
        }
        try {
            FileChannel made = FileChannel.open(
                    file,
                    Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE),
                    OWNER_ONLY);
            UserPrincipal owner = Files.getOwner(directory);
            FileOwnerAttributeView view = Files.getFileAttributeView(file, FileOwnerAttributeView.class, NO_LINKS);
            if (!view.getOwner().equals(owner)) {
                view.setOwner(owner);
            }
            return made;
        } catch (FileAlreadyExistsException e) {
            return FileChannel.open(file, existing); // another process was faster
        }
    }
}
