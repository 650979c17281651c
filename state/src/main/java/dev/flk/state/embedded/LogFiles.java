// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * Checks RocksDB's logs and manifests before RocksDB reads them. RocksDB treats a damaged length at the end of a log as
 * an interrupted write and drops answered commits; a damaged type makes it loop forever.
 *
 * <p>A file consists of blocks of 32 KiB. A block consists of records and, if fewer than 7 bytes are left, zeros. A
 * record is a masked CRC32C of everything after the length 4, the length of the data 2, the type 1 (full 1, first 2,
 * middle 3, last 4), all little-endian, and the data. (RocksDB's wiki, Write Ahead Log File Format; the mask is that of
 * LevelDB.)
 */
final class LogFiles {
    private static final int BLOCK_BYTES = 32 << 10;
    private static final int HEADER_BYTES = 7;
    private static final int MOST_TYPES = 4;
    private static final int MASK = 0xa282ead8;

    private LogFiles() {}

    /**
     * Requires that no log or manifest is damaged.
     *
     * @throws IllegalArgumentException if a file is damaged, with its name and the position
     */
    static void requireWhole(Path directory) throws IOException {
        List<Path> files;
        try (Stream<Path> found = Files.list(directory)) {
            files = found.filter(LogFiles::isLog).toList();
        }
        for (Path file : files) {
            requireWhole(file, Files.readAllBytes(file));
        }
    }

    private static boolean isLog(Path file) {
        String name = file.getFileName().toString();
        return name.startsWith("MANIFEST-") || name.matches("\\d+\\.log");
    }

    private static void requireWhole(Path file, byte[] content) {
        int at = 0;
        while (at < content.length) {
            int blockEnd = at - at % BLOCK_BYTES + BLOCK_BYTES;
            if (blockEnd - at < HEADER_BYTES) {
                at = blockEnd;
                continue;
            }
            if (content.length - at < HEADER_BYTES || isZeroFrom(content, at)) {
                return; // an interrupted write, or preallocated space
            }
            int length = (content[at + 4] & 0xff) | (content[at + 5] & 0xff) << 8;
            int type = content[at + 6];
            int end = at + HEADER_BYTES + length;
            boolean isCutOff = end > content.length && end <= blockEnd && type >= 1 && type <= MOST_TYPES;
            if (isCutOff
                    ? isWholeWithAnyLength(content, at)
                    : end > blockEnd
                            || type < 1
                            || type > MOST_TYPES
                            || checksum(content, at + HEADER_BYTES - 1, end) != checksumAt(content, at)) {
                throw new IllegalArgumentException(
                        file.getFileName() + " is damaged at byte " + at + " of " + content.length);
            }
            at = end;
        }
    }

    private static boolean isZeroFrom(byte[] content, int from) {
        for (int at = from; at < content.length; at++) {
            if (content[at] != 0) {
                return false;
            }
        }
        return true;
    }

    /** Returns whether the checksum matches with a shorter length: then the length is damaged. */
    private static boolean isWholeWithAnyLength(byte[] content, int at) {
        CRC32C crc = new CRC32C();
        int expected = checksumAt(content, at);
        for (int end = at + HEADER_BYTES - 1; end < content.length; end++) {
            crc.update(content[end]);
            if (masked(crc) == expected) {
                return true;
            }
        }
        return false;
    }

    private static int checksum(byte[] content, int from, int to) {
        CRC32C crc = new CRC32C();
        crc.update(content, from, to - from);
        return masked(crc);
    }

    private static int masked(CRC32C crc) {
        return Integer.rotateRight((int) crc.getValue(), 15) + MASK;
    }

    private static int checksumAt(byte[] content, int at) {
        int checksum = 0;
        for (int i = 3; i >= 0; i--) {
            checksum = checksum << 8 | (content[at + i] & 0xff);
        }
        return checksum;
    }
}
