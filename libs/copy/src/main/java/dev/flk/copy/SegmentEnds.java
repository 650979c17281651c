// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentCursor;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentList.Listed;
import java.io.IOException;

/** The ends of the segments of a log. */
final class SegmentEnds {
    private SegmentEnds() {}

    /**
     * Returns the offset after the last byte of a segment that counts. The header of the next segment names this
     * offset; without a next segment, the segment is read.
     *
     * @param after the header of a segment after those of the list, which may be the successor; without such a segment,
     *     any header of the list
     */
    static long of(SegmentList list, int index, SegmentHeader after) throws IOException {
        String id = list.segments().get(index).header().id();
        if (after.previousId().equals(id)) {
            return after.previousEnd();
        }
        for (Listed other : list.segments()) {
            if (other.header().previousId().equals(id)) {
                return other.header().previousEnd();
            }
        }
        try (SegmentCursor cursor = list.open(index)) {
            for (LogRecord record = cursor.next(); record != null; record = cursor.next()) {
                // read to the end of the segment
            }
            return cursor.scan().offset();
        }
    }
}
