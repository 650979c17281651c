// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.segment.RecordFormat.Framed;
import java.io.Closeable;
import java.io.IOException;
import java.util.Iterator;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
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

    /**
     * The complete records from a place on at which the next record should begin and does not, by sequence. Damage may
     * have moved them: a disk may write a block to the wrong place. They are read in the order of their sequences.
     */
    private final NavigableMap<Long, Place> displaced = new TreeMap<>();

    /** The offset after all appended records that were returned. */
    private long end;

    private long expected;
    private @Nullable Damage damage;
    private boolean torn;

    private record Place(long offset, long group) {}

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
        this.end = scan.firstOffset();
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
        if (displaced.isEmpty()) {
            Framed framed = scan.next();
            if (framed != null && framed.sequence() == expected) {
                return counted(framed, offset);
            }
            findDisplaced(offset);
        }
        Map.Entry<Long, Place> first = displaced.firstEntry();
        if (first != null && wasForced(first.getKey())) {
            return displaced(first.getKey(), first.getValue().offset(), offset);
        }
        scan.seek(end);
        if (newest) {
            torn = scan.endOfContent(end) > end;
        } else {
            damage = new Damage(scan.segment(), offset, expected, countedEnd - 1);
            expected = countedEnd;
        }
        return null;
    }

    private LogRecord displaced(long sequence, long at, long offset) throws IOException {
        scan.seek(at);
        Framed framed = scan.next();
        if (framed == null) {
            throw new IOException(scan.segment() + " changed while it was being read");
        }
        displaced.remove(sequence);
        LogRecord record = counted(framed, offset);
        if (displaced.isEmpty()) {
            scan.seek(end);
        }
        return record;
    }

    /** Counts a record; {@code offset} is where damage begins if records before this one are missing. */
    private LogRecord counted(Framed framed, long offset) {
        end = Math.max(end, framed.offset() + framed.length());
        return counted(scan.toRecord(framed), offset);
    }

    private LogRecord counted(LogRecord record, long offset) {
        if (record.sequence() > expected) {
            damage = new Damage(scan.segment(), offset, expected, record.sequence() - 1);
        }
        expected = record.sequence() + 1;
        return record;
    }

    /** Finds all complete records from {@code offset} on that count, where the next record should begin and does not. */
    private void findDisplaced(long offset) throws IOException {
        NavigableMap<Long, Place> found = completeFrom(offset);
        if (newest) {
            // A writer may have written a place after it was read and before the bytes after it were read. Whatever
            // was forced before the last record that was found is in the file by now, so read it all again.
            scan.seekAfresh(offset);
            NavigableMap<Long, Place> again = completeFrom(offset);
            found = found.isEmpty() ? again : again.headMap(found.lastKey(), true);
        }
        displaced.putAll(found);
    }

    private NavigableMap<Long, Place> completeFrom(long offset) throws IOException {
        NavigableMap<Long, Place> found = new TreeMap<>();
        scan.seek(offset);
        for (Framed next = scan.nextWhole(); next != null; next = scan.nextWhole()) {
            if (expected <= next.sequence() && next.sequence() < countedEnd) {
                found.putIfAbsent(next.sequence(), new Place(next.offset(), next.group()));
            }
        }
        return found;
    }

    /**
     * Returns whether the records before the first displaced one, if any are missing, were forced, which makes their
     * absence damage and not a torn tail. In the newest segment, records are known to have been forced only if a record
     * of a later group exists, because a group is written after the previous one was forced, while the records of one
     * group reach the disk in any order; or if a repair gave up all of the missing records, because it had evidence
     * that they were forced, perhaps from files that have left the log since.
     */
    private boolean wasForced(long first) {
        return first == expected
                || !newest
                || displaced.lastEntry().getValue().group() > expected
                || losses.containsAll(expected, first - 1);
    }

    @Override
    public void close() throws IOException {
        scan.close();
    }
}
