// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.FileOps;
import dev.flk.wal.FileOps.OpenFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/**
 * A file of a mebibyte that is of no use but to be deleted: on a disk that is full it lets compaction write what it must before it can
 * give space back. One thread at a time.
 */
final class Reserve {
    /** Its name in the outbox's directory. */
    static final String FILE = "reserve";

    static final int BYTES = 1 << 20;

    private final FileOps files;
    private final Path directory;
    private final Path file;

    Reserve(FileOps files, Path directory) {
        this.files = files;
        this.directory = directory;
        this.file = directory.resolve(FILE);
    }

    /** Gives the space free; false if there was none. */
    boolean release() throws IOException {
        if (files.standing(file).isEmpty()) {
            return false;
        }
        files.delete(file);
        files.forceDirectory(directory);
        return true;
    }

    /** Takes the space, if it was not taken and the disk has twice that; false if it could not be taken. */
    boolean restore() throws IOException {
        if (files.standing(file).map(FileOps.Standing::bytes).orElse(0L) == BYTES) {
            return true;
        }
        if (files.usableBytes(directory) < 2L * BYTES) {
            return false;
        }
        release();
        try (OpenFile created = files.create(file)) {
            created.write(ByteBuffer.allocate(BYTES), 0);
            created.force();
        }
        files.forceDirectory(directory);
        return true;
    }
}
