// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.FileOps.OpenFile;
import java.io.IOException;
import java.nio.file.Path;

/**
 * Puts a file into a log's directory, whole or not at all: it is written and forced under a name that a start removes, then gets its
 * own, replacing what had it.
 */
final class NewFile {
    private NewFile() {}

    /** Writes the content. */
    @FunctionalInterface
    interface Content {
        void writeTo(OpenFile file) throws IOException;
    }

    /** When it returns, the file is on disk under {@code name}. */
    static void write(FileOps files, Path directory, String prefix, String name, Content content) throws IOException {
        Path opening = directory.resolve(prefix + SegmentList.OPENING + "repair");
        if (files.list(directory).contains(String.valueOf(opening.getFileName()))) {
            files.delete(opening); // left by a repair that was cut off
        }
        try {
            try (OpenFile file = files.create(opening)) {
                content.writeTo(file);
                file.force();
            }
            files.move(opening, directory.resolve(name));
        } catch (IOException e) {
            try {
                if (files.standing(opening).isPresent()) {
                    files.delete(opening); // it may be what fills the disk
                }
            } catch (IOException left) {
                e.addSuppressed(left);
            }
            throw e;
        }
        files.forceDirectory(directory);
    }
}
