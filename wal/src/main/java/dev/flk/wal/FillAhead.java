// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.FileOps.OpenFile;
import dev.flk.wal.Segment.FillResult;
import dev.flk.wal.SegmentOpener.SegmentWatch;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Objects;

/**
 * Writes zeros ahead of the writer, so that a force of records writes data only. It has a file descriptor of its own: an
 * error of the disk is reported once to each descriptor, and the writer must not miss one because the filler saw it.
 */
final class FillAhead {
    /** A write holds the file against the writer's, and a force of it holds up the writer's force: so little at a time. */
    private static final int STEP_BYTES = 256 * 1024;

    private final FileOps files;
    private final int aheadBytes;
    private final int stepBytes;
    private final long keepFreeBytes;
    private final ByteBuffer zeros;

    /** @param aheadBytes how far ahead to fill; 0 for not at all */
    FillAhead(FileOps files, int aheadBytes, long keepFreeBytes) {
        this.files = files;
        this.aheadBytes = aheadBytes;
        this.stepBytes = Math.min(aheadBytes, STEP_BYTES);
        this.keepFreeBytes = keepFreeBytes;
        this.zeros = ByteBuffer.allocateDirect(stepBytes);
    }

    /** Fills one step of the segment if one is due; false if there was nothing to do. Never throws for the disk's errors. */
    boolean step(Segment segment) {
        long from = stepBytes == 0 ? -1 : segment.claimFill(aheadBytes);
        if (from < 0) {
            return false;
        }
        FillResult result = FillResult.GIVEN_UP;
        try {
            result = write(segment, from);
        } finally {
            segment.filled(result == FillResult.DONE ? from + stepBytes : from, result);
        }
        return true;
    }

    private FillResult write(Segment segment, long from) {
        FillResult result = FillResult.GIVEN_UP;
        try (OpenFile file = files.openForWriting(segment.path())) {
            if (files.standing(segment.path())
                    .filter(standing -> SegmentWatch.isSame(standing, segment))
                    .isEmpty()) {
                return result; // somebody else's file is not to be written to
            }
            if (files.usableBytes(Objects.requireNonNull(segment.path().getParent())) < keepFreeBytes + stepBytes) {
                return result;
            }
            file.write(zeros.clear(), from);
            result = FillResult.FORCE_FAILED;
            file.force();
            result = FillResult.DONE;
        } catch (IOException e) {
            // a full or failing disk shows at the next append; what matters here stands in the result
            return result;
        }
        return result;
    }
}
