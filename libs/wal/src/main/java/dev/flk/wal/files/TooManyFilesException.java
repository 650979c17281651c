// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.files;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;

/** A file could not be opened, because the process, or the system, has as many open files as it may have. */
public final class TooManyFilesException extends IOException {
    private static final long serialVersionUID = 1;

    private TooManyFilesException(Path file, IOException cause) {
        super(
                "Too many open files: can't open " + file
                        + "; raise the limit of this process (ulimit -n, LimitNOFILE) or allow fewer connections",
                cause);
    }

    /**
     * Returns the exception for a file that could not be opened: this type for EMFILE and ENFILE, otherwise {@code e}.
     * The JDK has no types for these errors, so they are recognised by the text of strerror.
     */
    public static IOException or(Path file, IOException e) {
        String message = String.valueOf(e.getMessage()).toLowerCase(Locale.ROOT);
        return message.contains("too many open files") ? new TooManyFilesException(file, e) : e;
    }
}
