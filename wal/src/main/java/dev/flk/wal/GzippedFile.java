// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.FileOps.OpenFile;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/**
 * A compressed segment as if it were not: positions and sizes are those of its content. Meant for reading forward; going back
 * begins anew. What can't be decompressed any more reads as the end of the file, so that what is missing shows as damage.
 */
final class GzippedFile implements OpenFile {
    private static final int TRAILER_BYTES = 4;
    private static final int BUFFER_BYTES = 64 * 1024;

    private final OpenFile compressed;
    private final byte[] skipped = new byte[BUFFER_BYTES];
    private InputStream content = InputStream.nullInputStream();
    private long at = Long.MAX_VALUE;

    GzippedFile(OpenFile compressed) {
        this.compressed = compressed;
    }

    @Override
    public int read(ByteBuffer target, long position) throws IOException {
        try {
            if (position < at) {
                content = new GZIPInputStream(new Compressed(), BUFFER_BYTES);
                at = 0;
            }
            while (at < position) {
                int n = content.read(skipped, 0, (int) Math.min(skipped.length, position - at));
                if (n < 0) {
                    return -1;
                }
                at += n;
            }
            int n = content.read(target.array(), target.arrayOffset() + target.position(), target.remaining());
            if (n > 0) {
                target.position(target.position() + n);
                at += n;
            }
            return n;
        } catch (ZipException | EOFException e) {
            content = InputStream.nullInputStream();
            return -1;
        }
    }

    /** From the trailer; a segment is far below the 4 GiB that this counts to. */
    @Override
    public long size() throws IOException {
        ByteBuffer trailer = ByteBuffer.allocate(TRAILER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        long end = compressed.size();
        while (trailer.hasRemaining()) {
            if (compressed.read(trailer, end - trailer.remaining()) <= 0) {
                return 0;
            }
        }
        return Integer.toUnsignedLong(trailer.getInt(0));
    }

    @Override
    public void write(ByteBuffer source, long position) {
        throw new UnsupportedOperationException("a compressed segment is only read");
    }

    @Override
    public void force() {
        throw new UnsupportedOperationException("a compressed segment is only read");
    }

    @Override
    public void truncate(long size) {
        throw new UnsupportedOperationException("a compressed segment is only read");
    }

    @Override
    public void close() throws IOException {
        compressed.close();
    }

    /** The compressed bytes from the beginning. */
    private final class Compressed extends InputStream {
        private long position;

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            int n = compressed.read(ByteBuffer.wrap(target, offset, length), position);
            position += Math.max(0, n);
            return n;
        }
    }
}
