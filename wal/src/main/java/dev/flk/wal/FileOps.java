// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The seam between the log and the file system: every file operation of this package goes through it, so that a test can
 * fail any of them and a simulation can keep the disk in memory. {@link DiskFiles} is the real one.
 */
public interface FileOps {

    /** Creates the directory and its parents where missing, for the owner only. */
    void createDirectories(Path directory) throws IOException;

    /** The names of the files in a directory, sorted. */
    List<String> list(Path directory) throws IOException;

    /** Creates a file that must not exist, for reading and writing, and for the owner only. */
    OpenFile create(Path file) throws IOException;

    /** Opens an existing file for reading and writing, with a file descriptor of its own. */
    OpenFile openForWriting(Path file) throws IOException;

    /** Opens an existing file for reading. */
    OpenFile openForReading(Path file) throws IOException;

    /** Renames atomically, replacing {@code to}. Durable only after {@link #forceDirectory}. */
    void move(Path from, Path to) throws IOException;

    /** Deletes a file. Durable only after {@link #forceDirectory}. */
    void delete(Path file) throws IOException;

    /** Forces a directory's entries to disk. */
    void forceDirectory(Path directory) throws IOException;

    /** What stands under a name now; empty if nothing does. */
    Optional<FileStatus> status(Path file) throws IOException;

    /**
     * A file as its directory shows it.
     *
     * @param identity equal for the same file only, whatever its name
     * @param bytes its size
     */
    record FileStatus(Object identity, long bytes) {}

    /** Bytes that this process may still write to the file system of a directory. */
    long usableBytes(Path directory) throws IOException;

    /**
     * Locks a file for this process until the result is closed, and writes {@code holder} into it.
     *
     * @throws LogLockedException naming the holder, if another process (or this one) has it
     */
    Lock lock(Path file, String holder) throws IOException;

    /** A file that this process has locked. Any thread. */
    interface Lock extends Closeable {
        /**
         * Returns if the locked file is still the one under its name. No other process can have locked that name before this call then.
         *
         * @throws LockLostException if the file was removed or replaced, or its directory was replaced by another one
         * @throws IOException if that can't be found out, as when the directory is gone
         */
        void requireHeld() throws IOException;
    }

    /** An open file. Positions and sizes in bytes. One thread at a time, but for {@link #read}. */
    interface OpenFile extends Closeable {
        /** Reads up to {@code target.remaining()} bytes; returns how many, or -1 at or beyond the end. */
        int read(ByteBuffer target, long position) throws IOException;

        /** The bytes from {@code position} on: {@code length} of them, or as many as there are. */
        default ByteBuffer readUpTo(long position, int length) throws IOException {
            ByteBuffer bytes = ByteBuffer.allocate(length);
            while (bytes.hasRemaining() && read(bytes, position + bytes.position()) > 0) {
                // until all is there
            }
            return bytes.flip();
        }

        /** Writes all of {@code source}. On an error any part of it may have been written. */
        void write(ByteBuffer source, long position) throws IOException;

        /** Forces data, and the metadata needed to read it back, to disk. */
        void force() throws IOException;

        /** Cuts the file to {@code size} bytes. */
        void truncate(long size) throws IOException;

        /** The size of the file. */
        long size() throws IOException;
    }
}
