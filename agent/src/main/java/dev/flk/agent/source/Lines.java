// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import org.jspecify.annotations.Nullable;

/** The lines of a stream as bytes, without their ends; of a line that is too long, one byte more than the bound. */
final class Lines {
    private final InputStream in;
    private final int maxBytes;
    private final long stopsBehind;
    private long number;
    private long bytesRead;
    private boolean ended = true;
    private boolean cut;

    /** All lines, however much stands between them. */
    Lines(InputStream stream, int maxBytes) {
        this(stream, maxBytes, Long.MAX_VALUE);
    }

    /**
     * Lines of an untrusted source: it ends with the first line that is too long, and with the first line that begins behind so many
     * bytes.
     */
    Lines(InputStream stream, int maxBytes, long stopsBehind) {
        this.stopsBehind = stopsBehind;
        this.in = new BufferedInputStream(stream, 1 << 16);
        this.maxBytes = maxBytes;
    }

    /** The next line that is not blank, or null at the end. */
    byte @Nullable [] next() throws IOException {
        if (cut || bytesRead >= stopsBehind) {
            return null;
        }
        var line = new ByteArrayOutputStream();
        int b = read();
        while (b >= 0) {
            number++;
            boolean blank = true;
            for (; b >= 0 && b != '\n'; b = read()) {
                blank &= b == ' ' || b == '\t' || b == '\r';
                if (line.size() <= maxBytes) {
                    line.write(b);
                } else if (stopsBehind < Long.MAX_VALUE) {
                    cut = true;
                    return line.toByteArray();
                }
            }
            ended = b == '\n';
            if (blank && bytesRead >= stopsBehind) {
                return null;
            }
            if (!blank) {
                return line.toByteArray();
            }
            line.reset();
            b = read();
        }
        return null;
    }

    private int read() throws IOException {
        int b = in.read();
        if (b >= 0) {
            bytesRead++;
        }
        return b;
    }

    /** Whether the line that was read last is too long, and nothing more is read. */
    boolean isCut() {
        return cut;
    }

    /** The number of the line that was read last, from 1; blank ones count. */
    long number() {
        return number;
    }

    /** Bytes up to the end of the line that was read last, its line end included. */
    long bytesRead() {
        return bytesRead;
    }

    /** Whether the line that was read last had a line end, and not just the stream its end. */
    boolean ended() {
        return ended;
    }
}
