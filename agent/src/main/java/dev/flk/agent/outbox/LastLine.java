// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import dev.flk.wal.FileOps.OpenFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The end of a file of dead letters as a crash or an editor left it. Part of a line is cut off: its entry was not settled, so
 * nothing is lost with it. A whole letter that merely lacks its line end gets one.
 */
final class LastLine {
    private static final Logger LOG = LoggerFactory.getLogger(LastLine.class);
    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNumberLength(Integer.MAX_VALUE)
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .build())
            .build();
    private static final int BLOCK_BYTES = 1 << 16;

    private LastLine() {}

    /** Makes the file end after a whole line; the caller forces it. */
    static void makeWhole(Path path, OpenFile file) throws IOException {
        long end = file.size();
        long start = startOfLastLine(file, end);
        if (start == end) {
            return;
        }
        if (isObject(read(file, start, Math.toIntExact(end - start)))) {
            file.write(ByteBuffer.wrap(new byte[] {'\n'}), end);
        } else {
            LOG.warn("{}: a crash has cut the last line, it is removed; its certificate is still in the outbox", path);
            file.truncate(start);
        }
    }

    private static long startOfLastLine(OpenFile file, long end) throws IOException {
        for (long blockEnd = end; blockEnd > 0; ) {
            long start = Math.max(0, blockEnd - BLOCK_BYTES);
            byte[] block = read(file, start, (int) (blockEnd - start));
            for (int i = block.length - 1; i >= 0; i--) {
                if (block[i] == '\n') {
                    return start + i + 1;
                }
            }
            blockEnd = start;
        }
        return 0;
    }

    private static byte[] read(OpenFile file, long from, int length) throws IOException {
        byte[] bytes = new byte[length];
        ByteBuffer target = ByteBuffer.wrap(bytes);
        while (target.hasRemaining()) {
            if (file.read(target, from + target.position()) < 0) {
                throw new IOException("the file of dead letters became shorter while it was read");
            }
        }
        return bytes;
    }

    private static boolean isObject(byte[] line) {
        try (JsonParser json = JSON.createParser(line)) {
            boolean object = json.nextToken() == JsonToken.START_OBJECT;
            json.skipChildren();
            return object && json.nextToken() == null;
        } catch (IOException e) {
            return false;
        }
    }
}
