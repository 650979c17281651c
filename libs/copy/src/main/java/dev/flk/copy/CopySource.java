// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import dev.flk.copy.CopyRecord.Segment;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/** The log on this machine, as its copy reads it. Safe for any thread. */
public interface CopySource {

    /**
     * A segment whose beginning is on disk.
     *
     * @param headerEnd the offset after its header
     * @param end the offset after the last byte that is on disk and counts
     * @param isClosed whether nothing more will be written to it
     */
    record Written(Segment segment, long headerEnd, long end, boolean isClosed) {}

    /** Returns the segments with at least this ordinal, oldest first. */
    List<Written> from(long ordinal) throws IOException;

    /**
     * Reads bytes of a segment, wherever its file is and also if it was compressed.
     *
     * @throws IOException if the file can't be read, or has fewer bytes
     */
    byte[] read(Segment segment, long offset, int length) throws IOException;

    /** Returns the other files of the log, by their names. */
    Map<String, byte[]> attachments() throws IOException;
}
