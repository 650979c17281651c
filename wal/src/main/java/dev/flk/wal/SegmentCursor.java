// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.RecordFormat.Framed;
import java.io.Closeable;
import java.io.IOException;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/**
 * Yields the records of one segment that count, in order: the carried ones of its header, then those appended to it. Here is
 * decided what a bad record means: a torn tail, which ends the log, or damage.
 */
final class SegmentCursor implements Closeable {
    private final SegmentScan scan;
    private final SegmentHeader header;
    private final Iterator<LogRecord> carried;
    private final long countedEnd;
    private final DeclaredLosses losses;
    private final boolean newest;
    private long expected;
    private @Nullable Damage damage;
    private boolean torn;

    /**
     * @param header of the segment, without carried records that count elsewhere
     * @param countedEnd the first sequence that does not count here any more; {@code Long.MAX_VALUE} in the newest segment
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

    /** The segment's header, without carried records that count elsewhere. */
    SegmentHeader header() {
        return header;
    }

    SegmentScan scan() {
        return scan;
    }

    /** The sequence that the next record should have. */
    long expected() {
        return expected;
    }

    /** After {@link #next} returned null: whether a torn tail stands at the scan's offset. */
    boolean torn() {
        return torn;
    }

    /** The damage met by the last {@link #next}, if any: the records before the one it returned, or up to the end. */
    @Nullable
    Damage damage() {
        return damage;
    }

    /** After {@link #next} returned null: whether nothing but zeros stands behind the last record. */
    boolean endsClean() throws IOException {
        return scan.isEmptyFrom(scan.offset());
    }

    /** The next record that counts; null behind the last one. */
    @Nullable
    LogRecord next() throws IOException {
        LogRecord record = nextHere();
        Damage before = damage;
        while (record != null && losses.contains(record.sequence())) {
            // A record that did not count would take the place of one that was given up: what is lost stays lost.
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
            // it was known to be lost when this segment was opened: what would have been carried is not, and no number
            // is given again
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
            // Beside a writer, what stands behind was read later than this place, or this place long before; what was
            // forced is in the file by now, so that a second look tells.
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
     * The first whole record behind the bad place, if something that had been forced is missing. In the newest segment that
     * is so only if a record of a later group than the missing one's follows: a group is written after the one before it was
     * forced, while the records of one group reach the disk in any order. Or if all that is missing was given up: a repair saw
     * that it had been forced, perhaps by files that have left the log since.
     */
    private @Nullable Framed firstBehindDamage() throws IOException {
        Framed first = null;
        for (Framed next = scan.nextWhole(); next != null; next = scan.nextWhole()) {
            if (next.sequence() <= expected || next.sequence() >= countedEnd) {
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
