// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;

/**
 * File operations that survive unreadable blocks. A block that the disk fails to read is returned as bytes that belong to no record,
 * so that the log counts its records as damaged and continues after it. The first block of a file is not replaced: without its header
 * no record of the file can be checked. All other operations, and reading through a file that is open for writing, go directly to the
 * disk: a start cuts off the end of a log only if it can be read. Safe for several threads.
 */
final class UnreadableBlocks implements FileOps {
    private static final int BLOCK_BYTES = 4096;
    /** Neither zero, which marks the end of a segment, nor a byte that the log writes. */
    private static final byte FILL = (byte) 0xff;

    private final FileOps disk;
    /** A sentence about the first block of each file that could not be read. */
    private final Map<Path, String> found = new ConcurrentSkipListMap<>();

    UnreadableBlocks(FileOps disk) {
        this.disk = disk;
    }

    /** Uses the real disk. */
    static UnreadableBlocks ofDisk() {
        return new UnreadableBlocks(new DiskFiles());
    }

    /** Returns a sentence for each file with blocks that could not be read. */
    List<String> describe() {
        return List.copyOf(found.values());
    }

    @Override
    public OpenFile openForReading(Path file) throws IOException {
        return new FilledFile(file, disk.openForReading(file));
    }

    @Override
    public void createDirectories(Path directory) throws IOException {
        disk.createDirectories(directory);
    }

    @Override
    public List<String> list(Path directory) throws IOException {
        return disk.list(directory);
    }

    @Override
    public OpenFile create(Path file) throws IOException {
        return disk.create(file);
    }

    @Override
    public OpenFile openForWriting(Path file) throws IOException {
        return disk.openForWriting(file);
    }

    @Override
    public void move(Path from, Path to) throws IOException {
        disk.move(from, to);
    }

    @Override
    public void delete(Path file) throws IOException {
        disk.delete(file);
    }

    @Override
    public void forceDirectory(Path directory) throws IOException {
        disk.forceDirectory(directory);
    }

    @Override
    public Optional<FileStatus> status(Path file) throws IOException {
        return disk.status(file);
    }

    @Override
    public long usableBytes(Path directory) throws IOException {
        return disk.usableBytes(directory);
    }

    @Override
    public Lock lock(Path file, String holder) throws IOException {
        return disk.lock(file, holder);
    }

    private final class FilledFile implements OpenFile {
        private final Path path;
        private final OpenFile file;

        FilledFile(Path path, OpenFile file) {
            this.path = path;
            this.file = file;
        }

        @Override
        public int read(ByteBuffer target, long position) throws IOException {
            int start = target.position();
            try {
                return file.read(target, position);
            } catch (ClosedChannelException e) {
                throw e;
            } catch (IOException e) {
                target.position(start);
                return readOneBlock(target, position);
            }
        }

        private int readOneBlock(ByteBuffer target, long position) throws IOException {
            long block = position / BLOCK_BYTES * BLOCK_BYTES;
            long end = Math.min(block + BLOCK_BYTES, file.size());
            int length = (int) Math.min(target.remaining(), Math.max(0, end - position));
            ByteBuffer part = target.duplicate().limit(target.position() + length);
            try {
                int n = file.read(part, position);
                target.position(target.position() + Math.max(0, n));
                return n;
            } catch (ClosedChannelException e) {
                throw e;
            } catch (IOException e) {
                if (block == 0) {
                    throw new IOException(
                            "the beginning of " + path + " can't be read (" + e.getMessage()
                                    + "); if the disk does not recover, move the file away: its records are lost",
                            e);
                }
                found.putIfAbsent(
                        path,
                        "segment " + path.getFileName() + " can't be read at byte " + block + " (" + e.getMessage()
                                + ")");
            }
            for (int i = 0; i < length; i++) {
                target.put(FILL);
            }
            return length;
        }

        @Override
        public void write(ByteBuffer source, long position) throws IOException {
            file.write(source, position);
        }

        @Override
        public void force() throws IOException {
            file.force();
        }

        @Override
        public void truncate(long size) throws IOException {
            file.truncate(size);
        }

        @Override
        public long size() throws IOException {
            return file.size();
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }
}
