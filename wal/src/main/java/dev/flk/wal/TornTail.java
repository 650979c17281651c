// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.IOException;

/**
 * The end of the newest segment that is no whole record: what a crash cut off, which the next start sets aside, or what a
 * running writer is just writing. Nobody was told that it is on disk.
 *
 * @param segment the file's name
 * @param offset where it begins, in bytes
 * @param bytes how long it is, without the zeros behind it
 */
public record TornTail(String segment, long offset, long bytes) {
    static TornTail of(SegmentScan scan) throws IOException {
        return new TornTail(scan.segment(), scan.offset(), scan.endOfContent(scan.offset()) - scan.offset());
    }
}
