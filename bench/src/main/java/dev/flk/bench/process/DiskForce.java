// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.process;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import org.HdrHistogram.Histogram;

/** What a plain force of a small write costs on a disk: the write and {@code fdatasync} of a file that was filled with zeros before. */
public final class DiskForce implements Closeable {
    private static final int FILE_BYTES = 64 << 20;
    private static final int CHUNK_BYTES = 1 << 20;

    private final FileChannel channel;
    private final int bytes;
    private long at;

    /** @param bytes of each write */
    public DiskForce(Path file, int bytes) throws IOException {
        this.bytes = bytes;
        channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        ByteBuffer zeros = ByteBuffer.allocateDirect(CHUNK_BYTES);
        for (long filled = 0; filled < FILE_BYTES; filled += CHUNK_BYTES) {
            channel.write(zeros.clear(), filled);
        }
        channel.force(true);
    }

    /** Forces one write after the other; how long each took, in nanoseconds. */
    public Histogram run(Duration duration) throws IOException {
        Histogram nanos = new Histogram(3);
        ByteBuffer record = ByteBuffer.allocateDirect(bytes);
        for (int i = 0; i < bytes; i++) {
            record.put((byte) 'x');
        }
        long end = System.nanoTime() + duration.toNanos();
        for (long begun = System.nanoTime(); begun < end; begun = System.nanoTime()) {
            channel.write(record.rewind(), at);
            channel.force(false);
            at = (at + bytes) % (FILE_BYTES - bytes);
            nanos.recordValue(System.nanoTime() - begun);
        }
        return nanos;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
