// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.files;

import java.io.IOException;
import java.nio.file.Path;

/** The disk is full or its quota is exhausted. */
public final class DiskFullException extends IOException {
    private static final long serialVersionUID = 1;

    /** Creates an exception for the file that could not be written. */
    public DiskFullException(Path file, IOException cause) {
        super("disk full while writing " + file + "; free space on its file system", cause);
    }
}
