// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/**
 * A window over a file that is read mostly forward. One thread. Needs memory for the window or for the longest
 * requested record, whichever is larger.
 */
public final class SegmentBytes implements Closeable {
    private static final int WINDOW_BYTES = 256 * 1024;

    private final OpenFile file;

    /** The size of the content in bytes. For a compressed file, it is -1 until it is needed. */
    private long size;

    private byte[] window;
    private long start;
    private int filled;

    /** Opens a segment, compressed or not. */
    static SegmentBytes open(FileOps files, Path path) throws IOException {
        OpenFile file = files.openForReading(path);
        try {
            return isGzipped(path, file)
                    ? new SegmentBytes(new GzippedFile(file), -1, WINDOW_BYTES)
                    : SegmentBytes.of(file);
        } catch (IOException | RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /**
     * Returns whether a file is compressed. A file whose name ends with {@code .wal} is not; for any other name, which
     * another program may have given, the content decides.
     */
    private static boolean isGzipped(Path path, OpenFile file) throws IOException {
        if (path.toString().endsWith(SegmentNames.SUFFIX)) {
            return false;
        }
        ByteBuffer magic = file.readUpTo(0, 2);
        return magic.remaining() == 2 && magic.get(0) == (byte) 0x1f && magic.get(1) == (byte) 0x8b;
    }

    /**
     * Returns a window over an open file whose content is not compressed. To close the file, the caller closes either
     * the window or the file itself.
     */
    public static SegmentBytes of(OpenFile file) throws IOException {
        long size = file.size();
        return new SegmentBytes(file, size, (int) Math.min(WINDOW_BYTES, size));
    }

    private SegmentBytes(OpenFile file, long size, int windowBytes) {
        this.file = file;
        this.size = size;
        this.window = new byte[windowBytes];
    }

    /**
     * Returns the size of the content in bytes: the size when the file was opened or, for a compressed file, the number
     * of bytes that can be decompressed.
     */
    long size() throws IOException {
        if (size < 0) {
            size = file.size();
        }
        return size;
    }

    /** Returns false if the content certainly ends before {@code end}. */
    boolean mayReach(long end) {
        return size < 0 || end <= size;
    }

    /**
     * Loads up to {@code length} bytes from {@code offset}.
     *
     * @return the number of loaded bytes, which is less than {@code length} at the end of the file
     */
    int load(long offset, int length) throws IOException {
        int wanted = size < 0 ? length : (int) Math.min(length, Math.max(0, size - offset));
        if (offset >= start && offset + wanted <= start + filled) {
            return wanted;
        }
        // keep the bytes that are already loaded: reading backwards is slow in a compressed segment
        int kept = offset >= start && offset < start + filled ? (int) (start + filled - offset) : 0;
        byte[] next = wanted > window.length ? new byte[wanted] : window;
        System.arraycopy(window, kept == 0 ? 0 : index(offset), next, 0, kept);
        window = next;
        start = offset;
        filled = kept;
        ByteBuffer target = ByteBuffer.wrap(window).position(kept);
        while (filled < wanted) {
            int n = file.read(target, start + filled);
            if (n <= 0) {
                break; // the file was truncated, or a compressed file ends
            }
            filled += n;
        }
        return Math.min(wanted, filled);
    }

    /** Discards the loaded bytes, so that they are read again. */
    void forget() {
        start = 0;
        filled = 0;
    }

    /** Returns the array that contains the bytes that were loaded last; see {@link #index}. */
    byte[] array() {
        return window;
    }

    /** Returns the index in {@link #array} of the byte at {@code offset}, which must be among the bytes loaded last. */
    int index(long offset) {
        return (int) (offset - start);
    }

    byte[] copy(long offset, int length) {
        int from = index(offset);
        return Arrays.copyOfRange(window, from, from + length);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }

    /**
     * The decompressed view of a compressed segment: positions and sizes refer to the decompressed content. Reading
     * backwards decompresses the file from the beginning again. Where content can't be decompressed, reads report the
     * end of the file, so that the missing records are reported as damage.
     */
    public static final class GzippedFile implements OpenFile {
        private static final int BUFFER_BYTES = 64 * 1024;

        private final OpenFile compressed;
        private final byte[] skipped = new byte[BUFFER_BYTES];
        private InputStream content = InputStream.nullInputStream();
        private long at = Long.MAX_VALUE;

        /** The maximum number of bytes that one read decompresses; 1 in a damaged file. */
        private int mostAtOnce = Integer.MAX_VALUE;

        public GzippedFile(OpenFile compressed) {
            this.compressed = compressed;
        }

        @Override
        public int read(ByteBuffer target, long position) throws IOException {
            try {
                return inflate(target, position);
            } catch (ZipException | EOFException e) {
                if (mostAtOnce == 1) {
                    content = InputStream.nullInputStream();
                    return -1;
                }
                // a failed read discards the bytes that it decompressed before the damage, so read one byte at a time
                // from now on
                mostAtOnce = 1;
                at = Long.MAX_VALUE;
                return read(target, position);
            }
        }

        private int inflate(ByteBuffer target, long position) throws IOException {
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
            int length = Math.min(target.remaining(), mostAtOnce);
            int n = content.read(target.array(), target.arrayOffset() + target.position(), length);
            if (n > 0) {
                target.position(target.position() + n);
                at += n;
            }
            return n;
        }

        /**
         * Returns the number of bytes that can be decompressed. Decompresses the whole file, because the size in the
         * trailer may be damaged.
         */
        @Override
        public long size() throws IOException {
            ByteBuffer read = ByteBuffer.allocate(BUFFER_BYTES);
            long size = 0;
            for (int n = read(read, 0); n > 0; n = read(read.clear(), size)) {
                size += n;
            }
            return size;
        }

        @Override
        public void write(ByteBuffer source, long position) {
            throw new UnsupportedOperationException("a compressed segment is read-only");
        }

        @Override
        public void force() {
            throw new UnsupportedOperationException("a compressed segment is read-only");
        }

        @Override
        public void truncate(long size) {
            throw new UnsupportedOperationException("a compressed segment is read-only");
        }

        @Override
        public void close() throws IOException {
            compressed.close();
        }

        /** A stream of the compressed bytes from the beginning. */
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
}
