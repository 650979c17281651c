// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.FileOps;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Files of which the disk can't read some blocks. The first such block of a file is tried a few times; then it, and each further one, is
 * given up and reads as bytes that are no record, so that only what stands in it is lost, not all that stands behind it. Everything else
 * goes straight to the disk. Safe for several threads.
 */
final class BadBlocks implements FileOps {
    /** How often the first bad block of a file is tried. */
    static final int TRIES = 5;

    static final int BLOCK_BYTES = 4096;
    /** Neither zero, which is the end of a segment, nor a byte that the log writes. */
    private static final byte FILL = (byte) 0xff;

    private final FileOps disk;
    private final Map<Path, Bad> bad = new TreeMap<>();
    private volatile boolean patient;

    /** Tries a block again at once, until {@link #bePatient}. */
    BadBlocks(FileOps disk) {
        this.disk = disk;
    }

    private static final class Bad {
        private final SortedSet<Long> blocks = new TreeSet<>();
        private int failures;
        private String why = "";
    }

    /** From now on each failure travels, so that whoever reads may wait a while before the next try. */
    void bePatient() {
        patient = true;
    }

    /** Whether a block was given up. */
    synchronized boolean hasAny() {
        return bad.values().stream().anyMatch(one -> !one.blocks.isEmpty());
    }

    /** A sentence for each file with blocks that were given up. */
    synchronized List<String> describe() {
        return bad.entrySet().stream()
                .filter(entry -> !entry.getValue().blocks.isEmpty())
                .map(entry -> describe(entry.getKey(), entry.getValue()))
                .toList();
    }

    private static String describe(Path file, Bad bad) {
        String more = bad.blocks.size() == 1 ? "" : " and in " + (bad.blocks.size() - 1) + " more blocks";
        return "segment %s can't be read at byte %d%s (%s)"
                .formatted(file.getFileName(), bad.blocks.first() * BLOCK_BYTES, more, bad.why);
    }

    /** Notes a failure; whether the block is given up now. */
    private synchronized boolean failed(Path file, long block, IOException failure) {
        Bad of = of(file);
        if (of.blocks.isEmpty() && ++of.failures < TRIES) {
            return false;
        }
        of.blocks.add(block);
        of.why = failure.getMessage() == null ? failure.toString() : failure.getMessage();
        return true;
    }

    private synchronized boolean isGivenUp(Path file, long block) {
        return of(file).blocks.contains(block);
    }

    private Bad of(Path file) {
        return bad.computeIfAbsent(file, any -> new Bad());
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
    public Optional<Standing> standing(Path file) throws IOException {
        return disk.standing(file);
    }

    @Override
    public long usableBytes(Path directory) throws IOException {
        return disk.usableBytes(directory);
    }

    @Override
    public Closeable lock(Path file, String holder) throws IOException {
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
                return file.read(target, position);
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
            int length = (int) Math.min(target.remaining(), end - position);
            byte[] bytes = new byte[Math.max(0, length)];
            while (!isGivenUp(path, block)) {
                try {
                    ByteBuffer read = ByteBuffer.wrap(bytes);
                    int n = file.read(read, position);
                    target.put(bytes, 0, Math.max(0, n));
                    return n;
                } catch (ClosedChannelException e) {
                    throw e;
                } catch (IOException e) {
                    if (!failed(path, block, e) && patient) {
                        throw e;
                    }
                }
            }
            Arrays.fill(bytes, FILL);
            target.put(bytes);
            return bytes.length;
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
