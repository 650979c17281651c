// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.util.List;

/**
 * What stands in a log's directory.
 *
 * @param segments in the order in which they were opened
 * @param others all other files but the lock, by name
 */
public record LogListing(List<SegmentSummary> segments, List<OtherFile> others) {

    /** Keeps copies. */
    public LogListing {
        segments = List.copyOf(segments);
        others = List.copyOf(others);
    }

    /** Whether there is no trace of a log: no segment, and no file that was one. */
    public boolean isEmpty() {
        return segments.isEmpty() && others.stream().noneMatch(file -> file.kind() == Kind.BROKEN_HEADER);
    }

    /** A file that is no segment. */
    public record OtherFile(String name, Kind kind) {}

    /** What such a file is. */
    public enum Kind {
        /** It was a segment, and its header is not whole: the records that went to it are lost. */
        BROKEN_HEADER,
        /** It is named somewhat like a segment, and has neither a whole header nor records. */
        NO_SEGMENT,
        /** A torn tail, or a file that was in the way, kept for those who want to see it. */
        SET_ASIDE,
        /** A segment that is being opened, or was when its process ended. */
        OPENING,
        /** Declares the records that a repair gave up. */
        LOSSES,
        /** Nothing of this log. */
        FOREIGN
    }
}
