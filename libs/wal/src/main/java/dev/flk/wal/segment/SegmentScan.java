// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.LogRecord.Position;
import dev.flk.wal.segment.RecordFormat.Framed;
import dev.flk.wal.segment.SegmentHeader.Salvaged;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A forward scan over the records that were appended to one segment. One thread. */
public final class SegmentScan implements Closeable {
    /**
     * The maximum number of bytes by which the end of a damaged header may have moved, if the second copy of its lines
     * does not show where the header ends.
     */
    private static final int MAX_SHIFT = 16;

    private final String segment;
    private final SegmentBytes bytes;
    private final SegmentHeader header;
    private final boolean headerBroken;
    private final boolean headerTruncated;
    private final byte[] seed;
    private final long firstOffset;
    private long offset;

    private SegmentScan(
            String segment,
            SegmentBytes bytes,
            SegmentHeader header,
            long firstOffset,
            boolean headerBroken,
            boolean headerTruncated) {
        this.segment = segment;
        this.bytes = bytes;
        this.header = header;
        this.headerBroken = headerBroken;
        this.headerTruncated = headerTruncated;
        this.seed = header.seed();
        this.firstOffset = firstOffset;
        this.offset = firstOffset;
    }

    /** Opens a segment; returns null if the file has no intact header and no header can be salvaged. */
    public static @Nullable SegmentScan open(FileOps files, Path file) throws IOException {
        return open(files, file, null);
    }

    /**
     * Opens a segment.
     *
     * @param derived a header to use if the file's own header can't be salvaged, for example because it was derived from other segments; may be null
     * @return null if the file has no header that can be salvaged, and no record that belongs to {@code derived}
     */
    public static @Nullable SegmentScan open(FileOps files, Path file, @Nullable SegmentHeader derived)
            throws IOException {
        SegmentBytes bytes = SegmentBytes.open(files, file);
        try {
            String segment = String.valueOf(file.getFileName());
            Framed framed = RecordFormat.readHeader(bytes);
            if (framed != null) {
                return new SegmentScan(
                        segment, bytes, SegmentHeader.parse(framed, bytes, segment), framed.length(), false, false);
            }
            Salvaged salvaged = SegmentHeader.salvage(bytes, segment);
            if (salvaged != null) {
                SegmentHeader header = salvaged.header();
                Framed first = firstComplete(bytes, header);
                // bytes that were inserted into the header, or removed from it, may have moved the records
                long firstOffset =
                        first != null && first.sequence() == header.next() ? first.offset() : salvaged.bytes();
                return new SegmentScan(segment, bytes, header, firstOffset, true, salvaged.isTruncated());
            }
            Framed first = derived == null ? null : firstComplete(bytes, derived);
            if (derived != null && first != null) {
                return new SegmentScan(segment, bytes, derived, first.offset(), true, false);
            }
        } catch (IOException | RuntimeException e) {
            bytes.close();
            throw e;
        }
        bytes.close();
        return null;
    }

    /** Returns the first complete record that was appended to the segment with this header, or null. */
    static @Nullable Framed firstComplete(SegmentBytes bytes, SegmentHeader header) throws IOException {
        for (long at = RecordFormat.findMagic(bytes, 0);
                at < bytes.size();
                at = RecordFormat.findMagic(bytes, at + 1)) {
            Framed record = RecordFormat.read(bytes, at, header.seed());
            if (record != null) {
                return record;
            }
        }
        return null;
    }

    /**
     * Returns the range of records that are lost in a file without a readable header; null if the file is not known to
     * have been a segment. A segment gets its name only after its header was forced, so a segment without a readable
     * header was changed or truncated later. If no record is left in such a segment, one lost record is assumed. A file
     * whose name does not end like the names that the log gives counts only if it contains records, because other
     * programs put notes and checksums next to a log.
     */
    public static @Nullable Damage lostWithHeader(FileOps files, Path file) throws IOException {
        try (SegmentBytes bytes = SegmentBytes.open(files, file)) {
            long first = Long.MAX_VALUE;
            long last = -1;
            for (long at = RecordFormat.findMagic(bytes, 0);
                    at < bytes.size();
                    at = RecordFormat.findMagic(bytes, at + 1)) {
                long sequence = RecordFormat.unverifiedSequence(bytes, at);
                if (sequence >= 0) {
                    first = Math.min(first, sequence);
                    last = Math.max(last, sequence);
                }
            }
            String name = String.valueOf(file.getFileName());
            long named = SegmentNames.sequenceIn(name);
            if (named < Long.MAX_VALUE && (last >= 0 || SegmentNames.isWrittenByLog(name))) {
                // The segment began with the sequence in the file's name, so the records from this sequence on are lost
                // too. If a line contains a lower sequence, the line is damaged, and its sequence is ignored.
                first = named;
                last = Math.max(last, first);
            }
            return last < 0 || first == Long.MAX_VALUE ? null : new Damage(name, 0, first, last);
        }
    }

    public String segment() {
        return segment;
    }

    public SegmentHeader header() {
        return header;
    }

    /**
     * Returns whether the segment's own header is damaged; {@link #header} was then salvaged from a copy of its lines,
     * or derived from other segments.
     */
    public boolean isHeaderBroken() {
        return headerBroken;
    }

    /**
     * Returns whether nothing but zeros follows the header, which may be damaged. If bytes were inserted into the
     * header or removed from it, the end of the header has moved, and is recognised by two line feeds.
     */
    boolean endsWithHeader() throws IOException {
        long end = endOfContent(0);
        if (!headerTruncated && (end == firstOffset || bytes.size() == firstOffset)) {
            return true;
        }
        return Math.abs(end - firstOffset) <= MAX_SHIFT && endsWithTwoLineFeeds(end);
    }

    private boolean endsWithTwoLineFeeds(long end) throws IOException {
        return bytesAt(end - 2, 2).equals(ByteBuffer.wrap(new byte[] {'\n', '\n'}));
    }

    /** Returns the offset of the first appended record, after the header. */
    public long firstOffset() {
        return firstOffset;
    }

    /** Returns the offset at which the next record should begin. */
    public long offset() {
        return offset;
    }

    public long size() throws IOException {
        return bytes.size();
    }

    public void seek(long newOffset) {
        offset = newOffset;
    }

    /** Seeks, and discards buffered bytes so that they are read from the file again. */
    void seekAfresh(long newOffset) {
        bytes.forget();
        offset = newOffset;
    }

    /** Reads the record at the offset and advances; returns null without advancing if there is no complete record. */
    @Nullable
    Framed next() throws IOException {
        Framed framed = RecordFormat.read(bytes, offset, seed);
        if (framed != null) {
            offset += framed.length();
        }
        return framed;
    }

    /** Reads the next complete record, skipping other bytes, and advances; returns null at the end. */
    @Nullable
    public Framed nextComplete() throws IOException {
        long candidate = RecordFormat.findMagic(bytes, offset);
        while (candidate < bytes.size()) {
            Framed framed = RecordFormat.read(bytes, candidate, seed);
            if (framed != null) {
                offset = candidate + framed.length();
                return framed;
            }
            candidate = RecordFormat.findMagic(bytes, candidate + 1);
        }
        offset = bytes.size();
        return null;
    }

    LogRecord toRecord(Framed framed) {
        return toRecord(framed, header.context(), segment);
    }

    static LogRecord toRecord(Framed framed, String context, String segment) {
        return new LogRecord(
                framed.sequence(),
                framed.group(),
                framed.arrivalMillis(),
                framed.kind(),
                framed.keyId(),
                context,
                framed.body(),
                new Position(segment, framed.offset()));
    }

    /** Counts the complete records, including the carried records; skips broken records. */
    long countComplete() throws IOException {
        long whole = header.carried().size();
        seek(firstOffset);
        while (nextComplete() != null) {
            whole++;
        }
        return whole;
    }

    /** Returns whether the file has only zeros from {@code from} to its end; false if the end can't be read. */
    boolean isEmptyFrom(long from) throws IOException {
        return endOfContent(from) <= from && (from >= bytes.size() || bytes.load(bytes.size() - 1, 1) == 1);
    }

    /** Returns a copy of the header's bytes. */
    public ByteBuffer headerBytes() throws IOException {
        int length = (int) firstOffset;
        if (bytes.load(0, length) < length) {
            throw new IOException(segment + " was truncated while it was being read");
        }
        return ByteBuffer.wrap(bytes.copy(0, length));
    }

    /** Returns a copy of at most {@code length} bytes. */
    public ByteBuffer bytesAt(long from, int length) throws IOException {
        return ByteBuffer.wrap(bytes.copy(from, bytes.load(from, length)));
    }

    /** Returns the offset after the last nonzero byte from {@code from} on; {@code from} if only zeros follow. */
    public long endOfContent(long from) throws IOException {
        int chunk = 64 * 1024;
        long end = from;
        for (long at = from; at < bytes.size(); at += chunk) {
            int loaded = bytes.load(at, chunk);
            int index = bytes.index(at);
            for (int i = loaded - 1; i >= 0; i--) {
                if (bytes.array()[index + i] != 0) {
                    end = at + i + 1;
                    break;
                }
            }
        }
        return end;
    }

    @Override
    public void close() throws IOException {
        bytes.close();
    }
}
