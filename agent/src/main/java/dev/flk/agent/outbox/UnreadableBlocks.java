// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.ForwardingFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;

/**
 * File operations that survive unreadable blocks. If the disk fails to read a block, these operations return bytes that
 * can't belong to a record; the log then counts the records in the block as damaged and continues after the block, or
 * after the segment if the segment is compressed. A failed read of the first block of a file still throws, because this
 * block contains the header, which is needed to check the records. A failed read of a file that is open for writing
 * also throws; otherwise a start could cut off records at the end of the log only because the disk failed to read them.
 * Safe for several threads.
 */
final class UnreadableBlocks extends ForwardingFiles {
    private static final int BLOCK_BYTES = 4096;
    /**
     * The replacement for each unreadable byte. It differs from zero, which marks the end of a segment, and from all
     * bytes of a record, which is text in UTF-8.
     */
    private static final byte FILL = (byte) 0xff;

    /** A sentence for each file with unreadable blocks; it describes the first such block that was found. */
    private final Map<Path, String> found = new ConcurrentSkipListMap<>();

    private final FileOps disk;

    UnreadableBlocks(FileOps disk) {
        super(disk);
        this.disk = disk;
    }

    /** Returns the file operations that do not survive an unreadable block. */
    FileOps strict() {
        return disk;
    }

    /** Returns a sentence for each file of which a block could not be read. */
    List<String> describe() {
        return List.copyOf(found.values());
    }

    @Override
    public OpenFile openForReading(Path file) throws IOException {
        return new FilledFile(file, super.openForReading(file));
    }

    private final class FilledFile extends ForwardingFile {
        private final Path path;

        FilledFile(Path path, OpenFile file) {
            super(file);
            this.path = path;
        }

        @Override
        public int read(ByteBuffer target, long position) throws IOException {
            int start = target.position();
            try {
                return super.read(target, position);
            } catch (ClosedChannelException e) {
                throw e;
            } catch (IOException e) {
                return readBlock(target.position(start), position);
            }
        }

        /**
         * Reads bytes of the block that contains {@code position}, but not of later blocks. If the disk fails to read
         * the block, puts {@link #FILL} in place of each byte.
         *
         * @throws IOException if the disk fails to read the block, and the block is the first of the file
         */
        private int readBlock(ByteBuffer target, long position) throws IOException {
            long block = position / BLOCK_BYTES * BLOCK_BYTES;
            long end = Math.min(block + BLOCK_BYTES, size());
            int length = (int) Math.min(target.remaining(), Math.max(0, end - position));
            ByteBuffer part = target.slice(target.position(), length);
            try {
                length = super.read(part, position);
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
                for (int i = 0; i < length; i++) {
                    part.put(i, FILL);
                }
            }
            target.position(target.position() + Math.max(0, length));
            return length;
        }
    }
}
