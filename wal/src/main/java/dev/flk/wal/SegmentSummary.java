// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.RecordFormat.Framed;
import dev.flk.wal.SegmentList.Listed;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A segment as its header, its length and its successor's header tell of it. Whether its records can all be read is for
 * {@link LogInspector#verify} to say.
 *
 * @param name the file's name
 * @param ordinal rises with every segment ever opened
 * @param first the first sequence that counts here; the first of the carried records, if there are any
 * @param next the first sequence that was, or is to be, appended here
 * @param end the sequence behind the last one that counts here; {@code first} if none does
 * @param carried how many records its header repeats from earlier segments
 * @param bytes the file's length, zeros that were filled ahead included
 * @param openedMillis wall time at which it was opened, milliseconds since the epoch
 * @param context how the records appended here are to be understood (see {@link LogOptions#context})
 */
public record SegmentSummary(
        String name,
        long ordinal,
        long first,
        long next,
        long end,
        int carried,
        long bytes,
        long openedMillis,
        String context,
        State state) {

    /** What became of a segment. */
    public enum State {
        /** It is appended to, or will be gone on from at the next start. */
        NEWEST,
        /** Cut to its length, forced, and gone on from. */
        COMPLETE,
        /** A write or a force failed in it; what stands behind its last record that counts does not. */
        FAILED,
        /** Later segments repeat all that counted in it. */
        SUPERSEDED,
        /** The segment that went on from it is missing, or has no whole header. */
        DETACHED
    }

    /** How many sequences count here. */
    public long records() {
        return end - first;
    }

    static SegmentSummary of(SegmentList list, int index) throws IOException {
        try (SegmentCursor cursor = list.open(index)) {
            SegmentScan scan = cursor.scan();
            SegmentHeader header = scan.header();
            State state = state(list, index, scan);
            long end = list.segments().get(index).countedEnd();
            if (end == Long.MAX_VALUE) {
                while (cursor.next() != null) {}
                end = cursor.expected();
            }
            return new SegmentSummary(
                    scan.segment(),
                    header.ordinal(),
                    header.first(),
                    header.next(),
                    Math.max(header.first(), end),
                    header.carried().size(),
                    scan.size(),
                    header.openedMillis(),
                    header.context(),
                    state);
        }
    }

    private static State state(SegmentList list, int index, SegmentScan scan) throws IOException {
        Listed listed = list.segments().get(index);
        if (listed.countedEnd() <= listed.header().first()) {
            return State.SUPERSEDED;
        }
        if (index + 1 == list.segments().size()) {
            return listed.countedEnd() == Long.MAX_VALUE ? State.NEWEST : State.DETACHED;
        }
        Listed successor = list.segments().get(index + 1);
        SegmentHeader header = successor.header();
        if (successor.goesOnFrom() == index) {
            // what the successor carries stands here, too, from where it goes on
            long carriedBytes =
                    header.carried().stream().mapToLong(RecordFormat::lengthOf).sum();
            return scan.size() > header.previousEnd() + carriedBytes ? State.FAILED : State.COMPLETE;
        }
        if (header.previous().equals(SegmentList.openedName(successor.name()))) {
            // it replaced an empty segment, whose header would have told where it went on
            return scan.size() > endBelow(header.next(), scan) ? State.FAILED : State.COMPLETE;
        }
        return State.DETACHED;
    }

    /** The end of the last record with a sequence below {@code next}. */
    private static long endBelow(long next, SegmentScan scan) throws IOException {
        long end = scan.firstOffset();
        scan.seek(end);
        for (Framed record = nextWhole(scan); record != null && record.sequence() < next; record = nextWhole(scan)) {
            end = scan.offset();
        }
        scan.seek(scan.firstOffset());
        return end;
    }

    private static @Nullable Framed nextWhole(SegmentScan scan) throws IOException {
        Framed framed = scan.next();
        return framed == null ? scan.nextWholeAfterBad() : framed;
    }
}
