// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** Copies of damaged files, kept for inspection. */
public final class BrokenFiles {
    private static final int COPY_BYTES = 256 * 1024;

    private final FileOps files;
    private final Path directory;
    private final String prefix;

    public BrokenFiles(FileOps files, Path directory, String prefix) {
        this.files = files;
        this.directory = directory;
        this.prefix = prefix;
    }

    /**
     * Copies a file and returns the name of the copy, which is on disk when this method returns. Reuses an existing
     * copy with the same content.
     */
    public String copy(String name) throws IOException {
        for (String other : files.list(directory)) {
            if (other.startsWith(name + SegmentNames.BROKEN) && isSame(name, other)) {
                files.forceDirectory(directory);
                return other;
            }
        }
        String copy = SegmentNames.freeBrokenName(files, directory, name);
        NewFile.write(files, directory, prefix, copy, target -> {
            try (OpenFile source = files.openForReading(directory.resolve(name))) {
                copy(source, 0, source.size(), target);
            }
        });
        return copy;
    }

    /** Copies a part of a file to the beginning of another. */
    public static void copy(OpenFile source, long from, long end, OpenFile target) throws IOException {
        for (long at = from; at < end; ) {
            ByteBuffer chunk = source.readUpTo(at, (int) Math.min(COPY_BYTES, end - at));
            int length = chunk.remaining();
            if (length == 0) {
                throw new IOException("a segment was truncated while it was being copied");
            }
            target.write(chunk, at - from);
            at += length;
        }
    }

    private boolean isSame(String name, String other) throws IOException {
        try (OpenFile left = files.openForReading(directory.resolve(name));
                OpenFile right = files.openForReading(directory.resolve(other))) {
            return isSame(left, right);
        }
    }

    /** Returns whether two open files have the same content. */
    public static boolean isSame(OpenFile left, OpenFile right) throws IOException {
        long size = left.size();
        boolean same = right.size() == size;
        for (long at = 0; same && at < size; at += COPY_BYTES) {
            int length = (int) Math.min(COPY_BYTES, size - at);
            ByteBuffer expected = left.readUpTo(at, length);
            same = expected.remaining() == length && expected.equals(right.readUpTo(at, length));
        }
        return same;
    }

    /**
     * An atomic write of a file into a log's directory. The file is written and forced under a temporary name and then
     * renamed, replacing an existing file. After a crash, the next start of the log removes a file that still has the
     * temporary name.
     */
    public static final class NewFile {
        private NewFile() {}

        /** A writer of a file's content. */
        @FunctionalInterface
        public interface Content {
            void writeTo(OpenFile file) throws IOException;
        }

        /** Writes a file; it is on disk under {@code name} when this method returns. */
        public static void write(FileOps files, Path directory, String prefix, String name, Content content)
                throws IOException {
            // two threads may write two files at a time, but the temporary name must not look like a segment's
            String suffix = name.contains(SegmentNames.SUFFIX) ? "repair" : name;
            Path opening = directory.resolve(prefix + SegmentNames.OPENING + suffix);
            if (files.list(directory).contains(String.valueOf(opening.getFileName()))) {
                files.delete(opening); // an interrupted write left this file
            }
            try {
                try (OpenFile file = files.create(opening)) {
                    content.writeTo(file);
                    file.force();
                }
                files.move(opening, directory.resolve(name));
            } catch (IOException e) {
                try {
                    if (files.status(opening).isPresent()) {
                        files.delete(opening); // the unfinished file may be what fills the disk
                    }
                } catch (IOException left) {
                    e.addSuppressed(left);
                }
                throw e;
            }
            files.forceDirectory(directory);
        }
    }
}
