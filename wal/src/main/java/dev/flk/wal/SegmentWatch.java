// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.FileOps.OpenFile;
import dev.flk.wal.FileOps.Standing;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.util.Optional;

/**
 * Tells whether the segment that is written to still is what stands under its name: a file that was moved, removed, replaced or
 * emptied goes on taking writes without an error, and no start would find them. It is asked once in a while, not for each write.
 */
final class SegmentWatch {
    private SegmentWatch() {}

    /** Any thread; a segment that was completed meanwhile is none to ask about. Where the disk fails to tell, it is there. */
    static boolean isThere(FileOps files, Segment segment) {
        try {
            long atLeast = segment.position();
            Optional<Standing> standing = files.standing(segment.path());
            return standing.isPresent()
                    && isSame(standing.get(), segment)
                    && standing.get().bytes() >= atLeast
                    && beginsAs(files, segment);
        } catch (IOException e) {
            return true; // a failing disk shows at the next append
        }
    }

    static boolean isSame(Standing standing, Segment segment) {
        return standing.identity().equals(segment.identity());
    }

    /** Whether the file under a segment's name begins with its header; one that was emptied begins with a hole once written to. */
    static boolean beginsAs(FileOps files, Segment segment) throws IOException {
        byte[] expected = segment.beginning();
        ByteBuffer found = ByteBuffer.allocate(expected.length);
        try (OpenFile file = files.openForReading(segment.path())) {
            while (found.hasRemaining() && file.read(found, found.position()) > 0) {
                // until all is there
            }
        } catch (NoSuchFileException | FileNotFoundException e) {
            return false;
        }
        return found.flip().equals(ByteBuffer.wrap(expected));
    }
}
