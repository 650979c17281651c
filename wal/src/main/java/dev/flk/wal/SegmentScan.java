// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.LogRecord.Position;
import dev.flk.wal.RecordFormat.Framed;
import dev.flk.wal.SegmentHeader.Salvaged;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Goes through the records that were appended to one segment, forward. One thread. */
final class SegmentScan implements Closeable {
    private final String segment;
    private final SegmentBytes bytes;
    private final SegmentHeader header;
    private final boolean headerBroken;
    private final byte[] seed;
    private final long firstOffset;
    private long offset;

    private SegmentScan(
            String segment, SegmentBytes bytes, SegmentHeader header, long firstOffset, boolean headerBroken) {
        this.segment = segment;
        this.bytes = bytes;
        this.header = header;
        this.headerBroken = headerBroken;
        this.seed = header.seed();
        this.firstOffset = firstOffset;
        this.offset = firstOffset;
    }

    /** Opens a segment; null if the file has no header, not even a damaged one that can be salvaged, and so is none. */
    static @Nullable SegmentScan open(FileOps files, Path file) throws IOException {
        SegmentBytes bytes = SegmentBytes.open(files, file);
        try {
            String segment = String.valueOf(file.getFileName());
            Framed framed = RecordFormat.readHeader(bytes);
            if (framed != null) {
                return new SegmentScan(
                        segment, bytes, SegmentHeader.parse(framed, bytes, segment), framed.length(), false);
            }
            Salvaged salvaged = SegmentHeader.salvage(bytes, segment);
            if (salvaged != null) {
                return new SegmentScan(segment, bytes, salvaged.header(), salvaged.bytes(), true);
            }
        } catch (IOException | RuntimeException e) {
            bytes.close();
            throw e;
        }
        bytes.close();
        return null;
    }

    /**
     * The loss in a file whose header is not whole. A segment gets its name only after its header was forced, so the file was changed
     * or cut since. If its records are gone too, their number is unknown: at least the first one is assumed. Null if it has neither
     * records nor the name of a segment.
     */
    static @Nullable Damage lostWithHeader(FileOps files, Path file) throws IOException {
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
            long named = SegmentList.sequenceIn(name);
            if (named < Long.MAX_VALUE) {
                // in front of what is left others stood, and a lower sequence is a bad line's
                first = named;
                last = Math.max(last, first);
            }
            return last < 0 || first == Long.MAX_VALUE ? null : new Damage(name, 0, first, last);
        }
    }

    String segment() {
        return segment;
    }

    SegmentHeader header() {
        return header;
    }

    /** Whether the header is damaged, and was read from what is left of it. */
    boolean isHeaderBroken() {
        return headerBroken;
    }

    /** Where the first appended record stands, behind the header. */
    long firstOffset() {
        return firstOffset;
    }

    /** Where the next record should stand. */
    long offset() {
        return offset;
    }

    long size() {
        return bytes.size();
    }

    void seek(long newOffset) {
        offset = newOffset;
    }

    /** Seeks, and reads again from the file what was read before. */
    void seekAfresh(long newOffset) {
        bytes.forget();
        offset = newOffset;
    }

    /** The record at the offset, and moves behind it; null, without moving, if no whole one stands there. */
    @Nullable
    Framed next() throws IOException {
        Framed framed = RecordFormat.read(bytes, offset, seed);
        if (framed != null) {
            offset += framed.length();
        }
        return framed;
    }

    /** The next whole record, past what is none, and moves behind it; null at the end. */
    @Nullable
    Framed nextWhole() throws IOException {
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

    /** How many whole records stand from the first one on, broken ones between them passed over. */
    long countWhole() throws IOException {
        long whole = header.carried().size();
        seek(firstOffset);
        while (nextWhole() != null) {
            whole++;
        }
        return whole;
    }

    /** Whether nothing but zeros stands from {@code from} on; not so if that can't be read. */
    boolean isEmptyFrom(long from) throws IOException {
        return endOfContent(from) <= from && (from >= bytes.size() || bytes.load(bytes.size() - 1, 1) == 1);
    }

    /** A copy of the bytes of the header. */
    ByteBuffer headerBytes() throws IOException {
        int length = (int) firstOffset;
        if (bytes.load(0, length) < length) {
            throw new IOException(segment + " got shorter while it was being read");
        }
        return ByteBuffer.wrap(bytes.copy(0, length));
    }

    /** A copy of at most {@code length} bytes. */
    ByteBuffer bytesAt(long from, int length) throws IOException {
        return ByteBuffer.wrap(bytes.copy(from, bytes.load(from, length)));
    }

    /** The end of the last byte that is not zero, from {@code from} on; {@code from} if all are. */
    long endOfContent(long from) throws IOException {
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
