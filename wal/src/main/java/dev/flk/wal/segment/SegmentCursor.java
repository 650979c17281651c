// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.segment.RecordFormat.Framed;
import java.io.Closeable;
import java.io.IOException;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/**
 * A cursor over the records of one segment that count, in order: first those that its header carries, then those that were appended. It
 * decides whether a bad record is a torn tail, which ends the log, or damage.
 */
public final class SegmentCursor implements Closeable {
    private final SegmentScan scan;
    private final SegmentHeader header;
    private final Iterator<LogRecord> carried;
    private final long countedEnd;
    private final DeclaredLosses losses;
    private final boolean newest;
    private long expected;
    private @Nullable Damage damage;
    private boolean torn;

    /** @param header the header of the segment, without carried records that count in another segment
     * @param countedEnd the first sequence that does not count in this segment; {@code Long.MAX_VALUE} in the newest one
     */
    SegmentCursor(SegmentScan scan, SegmentHeader header, long countedEnd, DeclaredLosses losses) {
        this.scan = scan;
        this.header = header;
        this.carried = header.carried().iterator();
        this.countedEnd = countedEnd;
        this.losses = losses;
        this.newest = countedEnd == Long.MAX_VALUE;
        this.expected = header.first();
    }

    /** Returns the segment's header, without carried records that count in another segment. */
    public SegmentHeader header() {
        return header;
    }

    public SegmentScan scan() {
        return scan;
    }

    /** Returns the sequence that the next record should have. */
    public long expected() {
        return expected;
    }

    /** Returns whether the segment ends with a torn tail at the scan's offset. Valid after {@link #next} returned null. */
    public boolean torn() {
        return torn;
    }

    /**
     * Returns the records that the last {@link #next} found missing before the record that it returned, or before the
     * end; null if none.
     */
    @Nullable
    public Damage damage() {
        return damage;
    }

    /** Returns whether only zeros follow the last record. Valid after {@link #next} returned null. */
    public boolean endsClean() throws IOException {
        return scan.isEmptyFrom(scan.offset());
    }

    /** Returns the next record that counts; null at the end. */
    @Nullable
    public LogRecord next() throws IOException {
        LogRecord record = nextHere();
        Damage before = damage;
        while (record != null && losses.contains(record.sequence())) {
            // A sequence that a repair gave up stays lost, even if a record that did not count has the same sequence.
            record = nextHere();
            if (before != null) {
                damage = damage == null ? before : before.withMissing(before.firstMissing(), damage.lastMissing());
            }
            before = damage;
        }
        return record;
    }

    private @Nullable LogRecord nextHere() throws IOException {
        damage = null;
        if (expected >= countedEnd) {
            return null;
        }
        if (carried.hasNext()) {
            return counted(carried.next(), 0);
        }
        long lostFrom = expected;
        expected = Math.max(expected, Math.min(header.next(), countedEnd));
        long lostEnd = expected;
        LogRecord record = nextAppended();
        if (lostFrom < lostEnd) {
            // these records were known to be lost when the segment was opened: the header does not carry them, and
            // their
            // sequences are not used again
            damage = damage == null
                    ? new Damage(scan.segment(), 0, lostFrom, lostEnd - 1)
                    : damage.withMissing(lostFrom, damage.lastMissing());
        }
        return record;
    }

    private @Nullable LogRecord nextAppended() throws IOException {
        if (expected >= countedEnd) {
            return null;
        }
        long offset = scan.offset();
        long missing = expected;
        LogRecord record = appended(offset);
        if (newest && (record == null || damage != null)) {
            // A writer may have written this place after it was read and before the bytes after it were read. Forced
            // records
            // are in the file by now, so read it again.
            scan.seekAfresh(offset);
            expected = missing;
            torn = false;
            damage = null;
            record = appended(offset);
        }
        return record;
    }

    private @Nullable LogRecord appended(long offset) throws IOException {
        Framed framed = scan.next();
        if (framed != null && framed.sequence() == expected) {
            return counted(scan.toRecord(framed), offset);
        }
        scan.seek(offset);
        Framed behind = firstBehindDamage();
        if (behind != null) {
            scan.seek(behind.offset() + behind.length());
            return counted(scan.toRecord(behind), offset);
        }
        scan.seek(offset);
        if (newest) {
            torn = scan.endOfContent(offset) > offset;
        } else {
            damage = new Damage(scan.segment(), offset, expected, countedEnd - 1);
            expected = countedEnd;
        }
        return null;
    }

    private LogRecord counted(LogRecord record, long offset) {
        if (record.sequence() > expected) {
            damage = new Damage(scan.segment(), offset, expected, record.sequence() - 1);
        }
        expected = record.sequence() + 1;
        return record;
    }

    /**
     * Returns the first complete record after the bad bytes that was forced; else null. It has the expected sequence if
     * bytes were inserted before it, and a later one if records are missing. In the newest
     * segment, records are known to have been forced only if a record of a later group follows, because a group is
     * written after the previous one was forced, while the records of one group reach the disk in any order; or if a
     * repair gave up all of the missing records, because it had evidence that they were forced, perhaps from files that
     * have left the log since.
     */
    private @Nullable Framed firstBehindDamage() throws IOException {
        Framed first = null;
        for (Framed next = scan.nextWhole(); next != null; next = scan.nextWhole()) {
            if (next.sequence() < expected || next.sequence() >= countedEnd) {
                continue;
            }
            if (first == null) {
                first = next;
            }
            if (!newest || next.group() > expected || losses.containsAll(expected, next.sequence() - 1)) {
                return first;
            }
        }
        return null;
    }

    @Override
    public void close() throws IOException {
        scan.close();
    }
}
