// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.FileOps.OpenFile;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;

/** A window over a file that is read mostly forward. One thread; memory is the window, or the longest record asked for. */
final class SegmentBytes implements Closeable {
    private static final int WINDOW_BYTES = 256 * 1024;

    private final OpenFile file;
    private final long size;
    private byte[] window;
    private long start;
    private int filled;

    /** Opens a segment, compressed or not. */
    static SegmentBytes open(FileOps files, Path path) throws IOException {
        OpenFile file = files.openForReading(path);
        try {
            return new SegmentBytes(isGzipped(path, file) ? new GzippedFile(file) : file);
        } catch (IOException | RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /** By its content where somebody else gave it its name. */
    private static boolean isGzipped(Path path, OpenFile file) throws IOException {
        if (path.toString().endsWith(SegmentList.SUFFIX)) {
            return false;
        }
        ByteBuffer magic = ByteBuffer.allocate(2);
        while (magic.hasRemaining() && file.read(magic, magic.position()) > 0) {
            // until both bytes are there
        }
        return !magic.hasRemaining() && magic.get(0) == (byte) 0x1f && magic.get(1) == (byte) 0x8b;
    }

    /** Over a file that stays its owner's. */
    static SegmentBytes of(OpenFile file) throws IOException {
        return new SegmentBytes(file);
    }

    private SegmentBytes(OpenFile file) throws IOException {
        this.file = file;
        this.size = file.size();
        this.window = new byte[(int) Math.min(WINDOW_BYTES, size)];
    }

    /** The size of the file when it was opened. */
    long size() {
        return size;
    }

    /**
     * Makes {@code length} bytes from {@code offset} available, or as many as there are.
     *
     * @return how many of them are available
     */
    int load(long offset, int length) throws IOException {
        int wanted = (int) Math.min(length, Math.max(0, size - offset));
        if (offset >= start && offset + wanted <= start + filled) {
            return wanted;
        }
        // what is there already is moved, not read again: a compressed segment can't go back cheaply
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
                break; // the file got shorter
            }
            filled += n;
        }
        return Math.min(wanted, filled);
    }

    /** Forgets what was read, so that it is read again. */
    void forget() {
        start = 0;
        filled = 0;
    }

    /** The array that holds what was loaded last; {@link #index} says where. */
    byte[] array() {
        return window;
    }

    /** Where in {@link #array} the byte at {@code offset} stands; only for what was loaded last. */
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
}
