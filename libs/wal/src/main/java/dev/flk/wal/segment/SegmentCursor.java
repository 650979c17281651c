// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.segment.RecordFormat.Framed;
import java.io.Closeable;
import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A cursor over the records that count in one segment. It returns the records that the segment's header carries, then
 * the records that were appended. It decides whether a bad record is a torn tail, which ends the log, or damage.
 */
public final class SegmentCursor implements Closeable {
    private final SegmentScan scan;
    private final Copies copies;
    private List<SegmentScan> openCopies = List.of();
    private final SegmentHeader header;
    private final Iterator<LogRecord> carried;
    private final long countedEnd;
    private final DeclaredLosses losses;
    private final boolean newest;

    /**
     * The complete records that a search has found, by sequence. The cursor searches if the next record is not at its
     * expected offset: damage may have moved records, for example if the disk wrote a block to the wrong offset. {@link
     * #next} returns these records in the order of their sequences.
     */
    private final NavigableMap<Long, Place> displaced = new TreeMap<>();

    /** The offset after all appended records that were returned. */
    private long end;

    private long expected;
    private @Nullable Damage damage;
    private boolean torn;

    private record Place(SegmentScan scan, long offset, long group) {}

    /** A method that opens the other copies of the segment, which the cursor then owns. */
    @FunctionalInterface
    public interface Copies {
        List<SegmentScan> open() throws IOException;
    }

    /**
     * Creates a cursor, which owns the scan.
     *
     * @param copies a method that opens the other copies of the segment. It is called if a record is missing at its
     *     expected offset, because another copy may contain the record
     * @param header the header of the segment, without carried records that count in another segment
     * @param countedEnd the first sequence that does not count in this segment; {@code Long.MAX_VALUE} in the newest
     *     segment
     */
    SegmentCursor(SegmentScan scan, Copies copies, SegmentHeader header, long countedEnd, DeclaredLosses losses) {
        this.scan = scan;
        this.copies = copies;
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

    /**
     * Returns whether the segment ends with a torn tail at the scan's offset. Valid after {@link #next} returned null.
     */
    public boolean torn() {
        return torn;
    }

    /**
     * Returns the damage that the last call of {@link #next} found: the range of records that are missing before the
     * returned record or, if the call returned null, before the end of the segment. Returns null if no records are
     * missing.
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
            // Skip the record, because a sequence that a repair declared lost stays lost, even if its record is
            // readable again.
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
            // the header does not carry these records: they were known to be lost when the segment was opened, or the
            // header was damaged later; no new record gets their sequences
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
                end = scan.offset();
                return counted(scan.toRecord(framed), offset);
            }
            findDisplaced(offset);
        }
        Map.Entry<Long, Place> first = displaced.firstEntry();
        if (first != null && wasForced(first.getKey())) {
            displaced.remove(first.getKey());
            return displaced(first.getValue(), offset);
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

    private LogRecord displaced(Place place, long offset) throws IOException {
        place.scan().seek(place.offset());
        Framed framed = place.scan().next();
        if (framed == null) {
            throw new IOException(place.scan().segment() + " changed while it was being read");
        }
        if (place.scan().equals(scan)) {
            end = Math.max(end, scan.offset());
        }
        if (displaced.isEmpty()) {
            scan.seek(end);
        }
        return counted(place.scan().toRecord(framed), offset);
    }

    /**
     * Returns the record, and expects the next sequence after it. If records before this record are missing, notes
     * damage that begins at {@code offset}.
     */
    private LogRecord counted(LogRecord record, long offset) {
        if (record.sequence() > expected) {
            damage = new Damage(scan.segment(), offset, expected, record.sequence() - 1);
        }
        expected = record.sequence() + 1;
        return record;
    }

    /**
     * Finds all complete records that count and begin at or after {@code offset}. Called if the expected record does
     * not begin at this offset. Also finds the records that only another copy of the segment contains.
     */
    private void findDisplaced(long offset) throws IOException {
        if (newest) {
            scan.seekAfresh(offset); // the buffer may be older than the newest records
        }
        addComplete(scan, offset);
        if (newest) {
            // If the writer wrote records while the scan was running, the scan may have found a record but missed
            // records before it. All records before a found record are in the file by now, so the scan runs again. The
            // second run can miss records in the same way, but only after the last record of the first run; therefore
            // drop what follows that record, or everything if the first run found nothing.
            long last = displaced.isEmpty() ? expected - 1 : displaced.lastKey();
            displaced.clear();
            scan.seekAfresh(offset);
            addComplete(scan, offset);
            displaced.tailMap(last, false).clear();
        }
        if (openCopies.isEmpty()) {
            openCopies = copies.open();
        }
        for (SegmentScan copy : openCopies) {
            addComplete(copy, copy.firstOffset());
        }
    }

    private void addComplete(SegmentScan from, long offset) throws IOException {
        from.seek(offset);
        for (Framed next = from.nextComplete(); next != null; next = from.nextComplete()) {
            if (expected <= next.sequence() && next.sequence() < countedEnd) {
                displaced.putIfAbsent(next.sequence(), new Place(from, next.offset(), next.group()));
            }
        }
    }

    /**
     * Returns whether the gap before {@code first}, the sequence of the first displaced record, is damage and not a
     * torn tail; true if there is no gap. In an older segment, a gap is always damage. In the newest segment, the gap
     * is damage if a record of a later group exists: a group is written only after the previous group was forced, but
     * the records of one group reach the disk in any order. The gap is also damage if a repair declared all of its
     * records lost: the repair had evidence that they were forced, perhaps in files that have left the log since.
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
        for (SegmentScan copy : openCopies) {
            copy.close();
        }
    }
}
