// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.DiskFiles;
import dev.flk.wal.FileOps;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongSupplier;

/**
 * Reads files with blocks that the disk can't read. Such a block is tried a few times; then it reads as bytes that are no record, so that
 * the records behind it can be read. It is tried again with each read, since disks come back. The beginning of a file, which holds its
 * header, is never made up. All other operations go straight to the disk. Safe for several threads.
 */
final class BadBlocks implements FileOps {
    /** How often a block is tried in one reading. */
    static final int TRIES = 3;

    static final int BLOCK_BYTES = 4096;
    /** Neither zero, which marks the end of a segment, nor a byte that the log writes. */
    private static final byte FILL = (byte) 0xff;

    private final FileOps disk;
    private final LongSupplier nanoTicker;
    private final Map<Path, Bad> bad = new TreeMap<>();

    BadBlocks(FileOps disk, LongSupplier nanoTicker) {
        this.disk = disk;
        this.nanoTicker = nanoTicker;
    }

    /** Over the real disk. */
    static BadBlocks ofDisk() {
        return new BadBlocks(new DiskFiles(), System::nanoTime);
    }

    /** Of one file: since when each block can't be read. */
    private static final class Bad {
        private final SortedMap<Long, Long> sinceNanos = new TreeMap<>();
        private String why = "";
    }

    /** Whether there are such blocks. */
    synchronized boolean hasAny() {
        return !bad.isEmpty();
    }

    /** Whether one of them failed for the first time less than {@code age} ago. */
    synchronized boolean hasYoungerThan(Duration age) {
        long now = nanoTicker.getAsLong();
        return bad.values().stream()
                .flatMap(of -> of.sinceNanos.values().stream())
                .anyMatch(since -> now - since < age.toNanos());
    }

    /** A sentence for each file that has some. */
    synchronized List<String> describe() {
        return bad.entrySet().stream()
                .map(entry -> describe(entry.getKey(), entry.getValue()))
                .toList();
    }

    private static String describe(Path file, Bad of) {
        int more = of.sinceNanos.size() - 1;
        return "segment %s can't be read at byte %d%s (%s)"
                .formatted(
                        file.getFileName(),
                        of.sinceNanos.firstKey() * BLOCK_BYTES,
                        more == 0 ? "" : " and in " + more + " more blocks",
                        of.why);
    }

    private synchronized void failed(Path file, long block, IOException failure) {
        Bad of = bad.computeIfAbsent(file, any -> new Bad());
        of.sinceNanos.putIfAbsent(block, nanoTicker.getAsLong());
        of.why = why(failure);
    }

    private static String why(IOException failure) {
        return failure.getMessage() == null ? failure.toString() : failure.getMessage();
    }

    private synchronized void wasRead(Path file, long position, int bytes) {
        Bad of = bad.get(file);
        if (of != null && bytes > 0) {
            of.sinceNanos
                    .subMap(position / BLOCK_BYTES, (position + bytes - 1) / BLOCK_BYTES + 1)
                    .clear();
            if (of.sinceNanos.isEmpty()) {
                bad.remove(file);
            }
        }
    }

    /** A file that is gone has no blocks any more. */
    private synchronized void forget(Path file) {
        bad.remove(file);
    }

    @Override
    public OpenFile openForReading(Path file) throws IOException {
        return new AroundBadBlocks(file, disk.openForReading(file));
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
        forget(from);
        forget(to);
    }

    @Override
    public void delete(Path file) throws IOException {
        disk.delete(file);
        forget(file);
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

    private final class AroundBadBlocks implements OpenFile {
        private final Path path;
        private final OpenFile file;

        AroundBadBlocks(Path path, OpenFile file) {
            this.path = path;
            this.file = file;
        }

        @Override
        public int read(ByteBuffer target, long position) throws IOException {
            int before = target.position();
            try {
                int n = file.read(target, position);
                wasRead(path, position, n);
                return n;
            } catch (ClosedChannelException e) {
                throw e;
            } catch (IOException e) {
                target.position(before);
                return readBlock(target, position);
            }
        }

        /** Reads to the end of one block: short, so that the next read begins with the next one. */
        private int readBlock(ByteBuffer target, long position) throws IOException {
            long block = position / BLOCK_BYTES;
            long end = Math.min((block + 1) * BLOCK_BYTES, file.size());
            byte[] bytes = new byte[(int) Math.max(0, Math.min(target.remaining(), end - position))];
            for (int tries = 1; ; tries++) {
                try {
                    int n = file.read(ByteBuffer.wrap(bytes), position);
                    target.put(bytes, 0, Math.max(0, n));
                    wasRead(path, position, n);
                    return n;
                } catch (ClosedChannelException e) {
                    throw e;
                } catch (IOException e) {
                    if (tries == TRIES) {
                        requireBehindBeginning(block, e);
                        failed(path, block, e);
                        break;
                    }
                }
            }
            Arrays.fill(bytes, FILL);
            target.put(bytes);
            return bytes.length;
        }

        private void requireBehindBeginning(long block, IOException failure) throws IOException {
            if (block == 0) {
                throw new IOException(
                        "the beginning of " + path + " can't be read (" + why(failure)
                                + "); if that disk does not get well, move the file away: what stands in it is lost",
                        failure);
            }
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
