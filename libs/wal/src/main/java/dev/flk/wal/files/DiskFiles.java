// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.files;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The real file system. A thread that may be inside one of these calls must never be interrupted: an interrupt closes
 * the channel that the call uses.
 */
public final class DiskFiles implements FileOps {
    private static final int HOLDER_MAX_BYTES = 512;

    /** A write that fails with fewer usable bytes than this is reported as disk full. */
    private static final long LEAST_USABLE_BYTES = 4096;

    /**
     * The lock files that this process holds, with their holders. Opening such a file again and closing it would
     * release the lock.
     */
    private static final Map<Path, String> HELD = new ConcurrentHashMap<>();

    /** The identities of the lock files that this process holds. */
    private static final Set<Object> HELD_IDENTITIES = ConcurrentHashMap.newKeySet();

    /**
     * Returns whether a file is a lock file that this process holds, perhaps under another name. Opening the file again
     * and closing it would release the lock.
     *
     * @param identity the file key of the file; null if the file system has none
     */
    public static boolean isHeldLock(@Nullable Object identity) {
        return identity != null && HELD_IDENTITIES.contains(identity);
    }

    @Override
    public void createDirectories(Path directory) throws IOException {
        Files.createDirectories(directory, OwnerOnly.directory(directory));
    }

    @Override
    public List<String> list(Path directory) throws IOException {
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.filter(entry -> !Files.isDirectory(entry))
                    .map(entry -> String.valueOf(entry.getFileName()))
                    .sorted()
                    .toList();
        } catch (UncheckedIOException e) {
            throw e.getCause(); // the stream wraps a failure to read the directory in an unchecked exception
        } catch (IOException e) {
            throw TooManyFilesException.or(directory, e);
        }
    }

    @Override
    public OpenFile create(Path file) throws IOException {
        try {
            return new Channel(
                    file,
                    FileChannel.open(
                            file,
                            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE),
                            OwnerOnly.file(file)));
        } catch (IOException e) {
            throw diskFullOr(file, e);
        }
    }

    @Override
    public OpenFile openForWriting(Path file) throws IOException {
        requireOpenable(file);
        return new Channel(file, open(file, StandardOpenOption.READ, StandardOpenOption.WRITE));
    }

    @Override
    public OpenFile openForReading(Path file) throws IOException {
        requireOpenable(file);
        return new Channel(file, open(file, StandardOpenOption.READ));
    }

    private static FileChannel open(Path file, StandardOpenOption... options) throws IOException {
        try {
            return FileChannel.open(file, options);
        } catch (IOException e) {
            throw TooManyFilesException.or(file, e);
        }
    }

    /**
     * Requires that a file, if it exists, is a regular file and not a lock of this process. Opening a FIFO would wait
     * for its other end; closing the lock file would release the lock.
     */
    private static void requireOpenable(Path file) throws IOException {
        BasicFileAttributes attributes;
        try {
            attributes = Files.readAttributes(file, BasicFileAttributes.class);
        } catch (NoSuchFileException e) {
            return; // there is nothing to check: opening the file creates it, or reports that it is missing
        }
        if (!attributes.isRegularFile()) {
            throw new IOException(file + " is not a regular file; move it away");
        }
        if (isHeldLock(attributes.fileKey())) {
            throw new IOException(file + " is a hard link to the lock of this process; remove the link");
        }
    }

    @Override
    public void move(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    @Override
    public void delete(Path file) throws IOException {
        Files.delete(file);
    }

    @Override
    public void forceDirectory(Path directory) throws IOException {
        try (FileChannel channel = open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (TooManyFilesException e) {
            throw e;
        } catch (IOException e) {
            throw named(directory, e);
        }
    }

    @Override
    public Optional<FileStatus> status(Path file) throws IOException {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            Object key = attributes.fileKey();
            return Optional.of(new FileStatus(key == null ? file : key, attributes.size()));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }

    @Override
    public long usableBytes(Path directory) throws IOException {
        // getUsableSpace needs no file descriptor; if none is free, getFileStore only reports "Mount point not found"
        long bytes = directory.toFile().getUsableSpace();
        // 0 may mean that the number is unknown; getFileStore then throws an exception that says why
        return bytes > 0 ? bytes : Files.getFileStore(directory).getUsableSpace();
    }

    @Override
    public Lock lock(Path file, String holder) throws IOException {
        Path real = parent(file).toRealPath().resolve(String.valueOf(file.getFileName()));
        String held = HELD.putIfAbsent(real, holder);
        if (held != null) {
            throw new LogLockedException(file, held);
        }
        try {
            HeldLock lock = new HeldLock(file, real, lockedChannel(file, holder), identity(file));
            HELD_IDENTITIES.add(lock.identity());
            return lock;
        } catch (IOException | RuntimeException | Error e) {
            HELD.remove(real);
            throw e;
        }
    }

    private static Object identity(Path file) throws IOException {
        Optional<FileStatus> status = new DiskFiles().status(file);
        if (status.isEmpty() && !Files.exists(parent(file))) {
            // a missing directory does not prove that the lock is lost, because the directory may come back unchanged
            throw new NoSuchFileException(parent(file).toString());
        }
        return status.orElseThrow(() -> new LockLostException(file)).identity();
    }

    private record HeldLock(Path file, Path real, FileChannel channel, Object identity) implements Lock {
        @Override
        public void requireHeld() throws IOException {
            if (!channel.isOpen()) {
                throw new IOException("the lock " + file + " was already released");
            }
            if (!identity.equals(DiskFiles.identity(file))) {
                throw new LockLostException(file);
            }
        }

        @Override
        public void close() throws IOException {
            HELD_IDENTITIES.remove(identity);
            channel.close();
            HELD.remove(real);
        }
    }

    private static FileChannel lockedChannel(Path file, String holder) throws IOException {
        requireOpenable(file);
        FileChannel channel = FileChannel.open(
                file,
                Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE),
                OwnerOnly.file(file));
        try {
            if (channel.tryLock() == null) {
                throw new LogLockedException(file, readHolder(channel));
            }
            channel.truncate(0);
            channel.write(ByteBuffer.wrap((holder + "\n").getBytes(StandardCharsets.UTF_8)), 0);
            return channel;
        } catch (LogLockedException | RuntimeException e) {
            channel.close();
            throw e;
        } catch (IOException e) {
            channel.close();
            throw diskFullOr(file, e);
        }
    }

    private static String readHolder(FileChannel channel) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(HOLDER_MAX_BYTES);
        channel.read(bytes, 0);
        String holder = new String(bytes.array(), 0, bytes.position(), StandardCharsets.UTF_8).strip();
        return holder.isEmpty() ? "another process" : holder;
    }

    private record Channel(Path path, FileChannel channel) implements OpenFile {
        @Override
        public int read(ByteBuffer target, long position) throws IOException {
            return channel.read(target, position);
        }

        @Override
        public void write(ByteBuffer source, long position) throws IOException {
            long at = position;
            try {
                while (source.hasRemaining()) {
                    at += channel.write(source, at);
                }
            } catch (IOException e) {
                throw diskFullOr(path, e);
            }
        }

        @Override
        public void force() throws IOException {
            try {
                channel.force(false);
            } catch (IOException e) {
                throw diskFullOr(path, e);
            }
        }

        @Override
        public void truncate(long size) throws IOException {
            try {
                channel.truncate(size);
            } catch (IOException e) {
                throw named(path, e);
            }
        }

        @Override
        public long size() throws IOException {
            return channel.size();
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    /**
     * Returns a {@link DiskFullException} for ENOSPC and EDQUOT, a {@link TooManyFilesException} for EMFILE and ENFILE;
     * otherwise the exception with the file's name. The JDK has no types for these errors, so they are recognised by
     * the text of strerror or, in another locale, by the free space.
     */
    private static IOException diskFullOr(Path file, IOException e) {
        if (TooManyFilesException.or(file, e) instanceof TooManyFilesException tooMany) {
            return tooMany;
        }
        String message = String.valueOf(e.getMessage()).toLowerCase(Locale.ROOT);
        boolean saysSo = message.contains("no space left") || message.contains("quota exceeded");
        return saysSo || isFull(parent(file)) ? new DiskFullException(file, e) : named(file, e);
    }

    private static boolean isFull(Path directory) {
        try {
            return new DiskFiles().usableBytes(directory) < LEAST_USABLE_BYTES;
        } catch (IOException e) {
            return false; // the free space is unknown, so assume that the write failed for another reason
        }
    }

    /** Adds the file's name to the message of a channel's exception. */
    private static IOException named(Path file, IOException e) {
        boolean saysSo = e instanceof FileSystemException || e.getMessage() == null;
        return saysSo ? e : new IOException(file + ": " + e.getMessage(), e);
    }

    private static Path parent(Path file) {
        return Objects.requireNonNull(file.toAbsolutePath().getParent());
    }

    /**
     * Attributes of new files and directories that only the owner can access, whatever the umask. Existing files keep
     * their permissions, which an administrator may have chosen.
     */
    public static final class OwnerOnly {
        private OwnerOnly() {}

        /**
         * Returns attributes that create a file with mode 0600; none if the file system does not support POSIX
         * permissions.
         */
        public static FileAttribute<?>[] file(Path path) {
            return attributes(path, "rw-------");
        }

        /**
         * Returns attributes that create a directory with mode 0700; none if the file system does not support POSIX
         * permissions.
         */
        public static FileAttribute<?>[] directory(Path path) {
            return attributes(path, "rwx------");
        }

        private static FileAttribute<?>[] attributes(Path path, String permissions) {
            return path.getFileSystem().supportedFileAttributeViews().contains("posix")
                    ? new FileAttribute<?>[] {
                        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))
                    }
                    : new FileAttribute<?>[0];
        }
    }
}
