// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.files;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The file operations of logs and of other durable files. Code that stores such files accesses the disk only through
 * this interface, so that a test can make every operation fail and a simulation can keep the disk in memory. {@link
 * DiskFiles} is the real file system.
 */
public interface FileOps {

    /** Creates the directory and its missing parents, accessible only to the owner. */
    void createDirectories(Path directory) throws IOException;

    /** Returns the names of the files in a directory, sorted. */
    List<String> list(Path directory) throws IOException;

    /** Creates a file that must not exist, open for reading and writing, accessible only to the owner. */
    OpenFile create(Path file) throws IOException;

    /** Opens an existing file for reading and writing, with its own file descriptor. */
    OpenFile openForWriting(Path file) throws IOException;

    /** Opens an existing file for reading. */
    OpenFile openForReading(Path file) throws IOException;

    /** Renames atomically, replacing {@code to}. Durable only after {@link #forceDirectory}. */
    void move(Path from, Path to) throws IOException;

    /** Deletes a file. Durable only after {@link #forceDirectory}. */
    void delete(Path file) throws IOException;

    /** Forces a directory's entries to disk. */
    void forceDirectory(Path directory) throws IOException;

    /** Returns the identity and size of a file; empty if there is no such file. */
    Optional<FileStatus> status(Path file) throws IOException;

    /**
     * The identity and size of a file.
     *
     * @param identity an object that is equal only for the same file, whatever its name
     * @param bytes the size of the file
     */
    record FileStatus(Object identity, long bytes) {}

    /** Returns the number of bytes that this process can still write to the file system of a directory. */
    long usableBytes(Path directory) throws IOException;

    /**
     * Locks a file for this process until the result is closed, and writes {@code holder} into it.
     *
     * @throws LogLockedException if this or another process holds the lock
     */
    Lock lock(Path file, String holder) throws IOException;

    /** A file that this process has locked. Any thread. */
    interface Lock extends Closeable {
        /**
         * Checks that the locked file still has its name; if so, no other process can have locked a file with that name
         * before this call.
         *
         * @throws LockLostException if the file was removed or replaced, or its directory was replaced
         * @throws IOException if the check fails, for example because the directory is missing, or the lock is closed
         */
        void requireHeld() throws IOException;
    }

    /** An open file. Positions and sizes are in bytes. One thread at a time, except for {@link #read}. */
    interface OpenFile extends Closeable {
        /**
         * Reads up to {@code target.remaining()} bytes. Returns the number of bytes read, or -1 at the end of the file.
         */
        int read(ByteBuffer target, long position) throws IOException;

        /** Returns {@code length} bytes from {@code position}, or fewer at the end of the file. */
        default ByteBuffer readUpTo(long position, int length) throws IOException {
            ByteBuffer bytes = ByteBuffer.allocate(length);
            while (bytes.hasRemaining() && read(bytes, position + bytes.position()) > 0) {
                // until the buffer is full or the file ends
            }
            return bytes.flip();
        }

        /** Writes all of {@code source}. After an exception, any part of it may have been written. */
        void write(ByteBuffer source, long position) throws IOException;

        /** Forces the data to disk, with the metadata that is needed to read it. */
        void force() throws IOException;

        /** Truncates the file to {@code size} bytes. */
        void truncate(long size) throws IOException;

        /** Returns the size of the file. */
        long size() throws IOException;
    }
}
