// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.FileOps.OpenFile;
import dev.flk.wal.RecordFormat.Framed;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * The records that were appended to a segment, count, and are whole; and a segment that holds just them, under the same header.
 * What stood behind the last one that counts is left out; an unfinished end is kept, for the next start to judge. One thread.
 */
final class WholeRecords {
    private static final int CHUNK_BYTES = 1 << 20;

    private final SegmentCursor cursor;
    private final SegmentScan scan;
    private boolean badBytes;

    WholeRecords(SegmentCursor cursor) {
        this.cursor = cursor;
        this.scan = cursor.scan();
    }

    /** The next one; null behind the last. */
    @Nullable
    LogRecord next() throws IOException {
        while (true) {
            long expectedAt = scan.offset();
            LogRecord record = cursor.next();
            if (record == null) {
                badBytes |= cursor.damage() != null && !cursor.endsClean();
                return null;
            }
            boolean carried = record.position().offset() < scan.firstOffset();
            if (!carried) {
                badBytes |= cursor.damage() != null && record.position().offset() > expectedAt;
                return record;
            }
        }
    }

    /** Whether bytes were met that belong to no whole record. */
    boolean hasBadBytes() {
        return badBytes;
    }

    /** Writes a segment of the header and the whole records, and the unfinished end if there is one. */
    static void copy(SegmentCursor cursor, OpenFile target) throws IOException {
        SegmentScan scan = cursor.scan();
        ByteBuffer header = scan.headerBytes();
        long at = header.remaining();
        target.write(header, 0);
        WholeRecords whole = new WholeRecords(cursor);
        byte[] seed = scan.header().seed();
        for (LogRecord record = whole.next(); record != null; record = whole.next()) {
            ByteBuffer bytes = ByteBuffer.allocate(record.body().length + RecordFormat.MAX_OVERHEAD_BYTES);
            RecordFormat.write(bytes, seed, record.sequence(), record.group(), record.entry());
            bytes.flip();
            long length = bytes.remaining();
            target.write(bytes, at);
            at += length;
        }
        if (cursor.torn()) {
            long end = scan.endOfContent(scan.offset());
            for (long from = scan.offset(); from < end; ) {
                ByteBuffer chunk = scan.bytesAt(from, (int) Math.min(CHUNK_BYTES, end - from));
                int length = chunk.remaining();
                if (length == 0) {
                    throw new IOException(scan.segment() + " got shorter while it was being read");
                }
                target.write(chunk, at);
                at += length;
                from += length;
            }
        }
    }

    /** How many whole records stand one behind the other in a file with this header, as the file reads back. */
    static long count(SegmentHeader header, OpenFile file) throws IOException {
        SegmentBytes bytes = SegmentBytes.of(file);
        Framed first = RecordFormat.readHeader(bytes);
        if (first == null || !first.keyId().equals(header.id())) {
            return 0;
        }
        long count = 0;
        long at = first.length();
        for (Framed next = RecordFormat.read(bytes, at, header.seed());
                next != null;
                next = RecordFormat.read(bytes, at, header.seed())) {
            at += next.length();
            count++;
        }
        return count;
    }
}
