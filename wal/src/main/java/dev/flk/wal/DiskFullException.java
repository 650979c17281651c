// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.IOException;
import java.nio.file.Path;

/** The disk, or the quota on it, is full. */
public final class DiskFullException extends IOException {
    private static final long serialVersionUID = 1;

    /** For the file that could not be written. */
    public DiskFullException(Path file, IOException cause) {
        super("disk full while writing " + file + "; make room on its file system", cause);
    }
}
