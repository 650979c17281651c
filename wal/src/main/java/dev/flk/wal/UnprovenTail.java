// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.util.ArrayList;
import java.util.List;

/**
 * The records at the end of a segment that a failed write, a failed force or a crash may have hurt: the last group, and those
 * before it that share a 4 KiB block with its beginning. Memory: that block's records and the last group. One thread.
 */
final class UnprovenTail {
    private final List<LogRecord> records = new ArrayList<>();
    private final List<Long> ends = new ArrayList<>();
    private long group = -1;

    /** Adds the next record of the segment; {@code end} is where it ends in the file. */
    void add(LogRecord record, long end) {
        if (record.group() != group) {
            group = record.group();
            dropBefore(record.position().offset());
        }
        records.add(record);
        ends.add(end);
    }

    /** Forgets what shares no block with {@code offset}, where a group begins or would begin. */
    void dropBefore(long offset) {
        long block = offset / SegmentHeader.BLOCK_BYTES * SegmentHeader.BLOCK_BYTES;
        int kept = 0;
        while (kept < ends.size() && ends.get(kept) <= block) {
            kept++;
        }
        records.subList(0, kept).clear();
        ends.subList(0, kept).clear();
    }

    void clear() {
        records.clear();
        ends.clear();
        group = -1;
    }

    boolean isEmpty() {
        return records.isEmpty();
    }

    /** Where the first of them stands. */
    long start() {
        return records.get(0).position().offset();
    }

    List<LogRecord> records() {
        return List.copyOf(records);
    }
}
