// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.RecordFormat.Framed;
import java.io.IOException;

/**
 * The end of the newest segment from its first record on that is not whole: what a crash cut off, which the next start sets
 * aside, or what a running writer is just writing. A log can't tell that from damage to its last group, which no later record
 * proves to have been forced.
 *
 * @param segment the file's name
 * @param offset where it begins, in bytes
 * @param bytes how long it is, without the zeros behind it
 * @param sequence of the record that is not whole
 * @param lastWhole the sequence of the last whole record of the same group that stands in it; 0 if there is none
 */
public record TornTail(String segment, long offset, long bytes, long sequence, long lastWhole) {
    static TornTail of(SegmentScan scan, long sequence) throws IOException {
        long offset = scan.offset();
        long bytes = scan.endOfContent(offset) - offset;
        long lastWhole = 0;
        for (Framed whole = scan.nextWholeAfterBad(); whole != null; whole = scan.nextWholeAfterBad()) {
            lastWhole = Math.max(lastWhole, whole.sequence());
        }
        return new TornTail(scan.segment(), offset, bytes, sequence, lastWhole > sequence ? lastWhole : 0);
    }
}
