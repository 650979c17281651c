// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The id of the log in a directory, which distinguishes the segments of this log from the segments of another log. It
 * is stored next to the segments in a file such as {@code inbox.id}, as a {@link ChecksummedLine} with the text {@code
 * flk-log1}, a space, and the id in 16 hex digits. If the file is missing or damaged, the id is read from the segments,
 * which must agree.
 */
public final class LogId {
    private static final Pattern LINE = Pattern.compile("flk-log1 ([0-9a-f]{16})");

    private LogId() {}

    /** Returns the name of the file for a log with this prefix. */
    public static String file(String prefix) {
        return prefix + ".id";
    }

    /** Reads the id; returns empty if the file is missing or damaged. */
    static Optional<String> read(FileOps files, Path directory, String prefix, List<String> names) throws IOException {
        if (!names.contains(file(prefix))) {
            return Optional.empty();
        }
        return ChecksummedLine.read(files, directory.resolve(file(prefix)))
                .map(LINE::matcher)
                .filter(Matcher::matches)
                .map(line -> line.group(1));
    }

    /** Writes the id, durably. The caller owns the directory. */
    public static void write(FileOps files, Path directory, String prefix, String id) throws IOException {
        ChecksummedLine.write(files, directory, prefix, file(prefix), "flk-log1 " + id);
    }
}
