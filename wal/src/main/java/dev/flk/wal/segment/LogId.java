// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.segment.BrokenFiles.NewFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;

/**
 * The id of the log in a directory, which distinguishes its segments from those of another log. It is stored next to
 * the segments in a file such as {@code inbox.id}, as one line of ASCII: {@code flk-log1}, a space, the id in 16 hex
 * digits, a space, and the CRC32C of the preceding text without its last space in 8 hex digits. If the file is missing
 * or damaged, the id is read from the segments, which must agree.
 */
public final class LogId {
    private static final Pattern LINE = Pattern.compile("(flk-log1 ([0-9a-f]{16})) ([0-9a-f]{8})\n");
    private static final int MAX_BYTES = 64;

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
        try (OpenFile file = files.openForReading(directory.resolve(file(prefix)))) {
            String content = StandardCharsets.US_ASCII
                    .decode(file.readUpTo(0, MAX_BYTES))
                    .toString();
            Matcher line = LINE.matcher(content);
            return line.matches() && line.group(3).equals(checksum(line.group(1)))
                    ? Optional.of(line.group(2))
                    : Optional.empty();
        }
    }

    /** Writes the id, durably. The caller owns the directory. */
    public static void write(FileOps files, Path directory, String prefix, String id) throws IOException {
        String line = "flk-log1 " + id;
        ByteBuffer content = ByteBuffer.wrap((line + " " + checksum(line) + "\n").getBytes(StandardCharsets.US_ASCII));
        NewFile.write(files, directory, prefix, file(prefix), file -> file.write(content, 0));
    }

    private static String checksum(String text) {
        CRC32C crc = new CRC32C();
        crc.update(text.getBytes(StandardCharsets.US_ASCII));
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }
}
