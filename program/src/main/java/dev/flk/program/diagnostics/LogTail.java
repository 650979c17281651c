// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The end of a log file. */
final class LogTail {
    private static final byte[] GZIP = {0x1f, (byte) 0x8b};

    private LogTail() {}

    /**
     * The last bytes of a file, from the beginning of a line on, without secrets; one that was cut in two is not left in part.
     *
     * @throws IOException if it can't be read, or searched for secrets
     */
    static byte[] of(Path file, int mostBytes, Scrubber scrubber) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new IOException(file + " is no file");
        }
        try (RandomAccessFile log = new RandomAccessFile(file.toFile(), "r")) {
            byte[] first = new byte[GZIP.length];
            if (log.read(first) == GZIP.length && first[0] == GZIP[0] && first[1] == GZIP[1]) {
                throw new IOException(file + " is compressed and can't be searched for secrets; unpack it first");
            }
            long start = Math.max(0, log.length() - mostBytes);
            byte[] tail = new byte[(int) Math.min(mostBytes, log.length() - start)];
            log.seek(start);
            log.readFully(tail);
            return start == 0 ? scrubber.scrubbed(tail) : scrubber.scrubbed(withoutFirst(tail, scrubber));
        }
    }

    private static byte[] withoutFirst(byte[] tail, Scrubber scrubber) {
        String text = new String(tail, StandardCharsets.ISO_8859_1);
        int line = text.indexOf('\n') + 1;
        String rest = text.substring(line > 0 ? line : Math.min(text.length(), scrubber.longest()));
        return ("(its earlier part is left out)\n" + rest).getBytes(StandardCharsets.ISO_8859_1);
    }
}
