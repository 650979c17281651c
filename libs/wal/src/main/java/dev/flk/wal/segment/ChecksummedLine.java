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
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;

/**
 * A file of one line of ASCII: a text, a space, and the CRC32C of the text in 8 hex digits. It is replaced atomically.
 */
public final class ChecksummedLine {
    private static final Pattern LINE = Pattern.compile("([ -~]+) ([0-9a-f]{8})\n");
    private static final int MAX_BYTES = 256;

    private ChecksummedLine() {}

    /** Returns the text of a file; empty if the file is damaged. The file must exist. */
    public static Optional<String> read(FileOps files, Path file) throws IOException {
        try (OpenFile open = files.openForReading(file)) {
            Matcher line = LINE.matcher(StandardCharsets.US_ASCII
                    .decode(open.readUpTo(0, MAX_BYTES))
                    .toString());
            return line.matches() && line.group(2).equals(checksum(line.group(1)))
                    ? Optional.of(line.group(1))
                    : Optional.empty();
        }
    }

    /**
     * Writes a file into the directory of a log; it is on disk when this method returns. The caller owns the directory.
     */
    public static void write(FileOps files, Path directory, String prefix, String name, String text)
            throws IOException {
        byte[] line = (text + " " + checksum(text) + "\n").getBytes(StandardCharsets.US_ASCII);
        NewFile.write(files, directory, prefix, name, file -> file.write(ByteBuffer.wrap(line), 0));
    }

    private static String checksum(String text) {
        CRC32C crc = new CRC32C();
        crc.update(text.getBytes(StandardCharsets.US_ASCII));
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }
}
