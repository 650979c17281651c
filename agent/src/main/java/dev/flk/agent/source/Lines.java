// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import org.jspecify.annotations.Nullable;

/**
 * The lines of a stream as bytes, without line feeds. A line that is longer than the maximum is truncated to the
 * maximum plus one byte; by this length, the caller recognises a line that is too long.
 */
final class Lines {
    private final InputStream in;
    private final int maxBytes;
    private final long stopsAfter;
    private long number;
    private long bytesRead;
    private boolean ended = true;
    private boolean cut;

    /** Creates a reader that reads all lines of a stream. */
    Lines(InputStream stream, int maxBytes) {
        this(stream, maxBytes, Long.MAX_VALUE);
    }

    /**
     * Creates a reader of an untrusted source. The reader returns no further line after a line that is too long, or
     * once it has read {@code stopsAfter} bytes.
     */
    Lines(InputStream stream, int maxBytes, long stopsAfter) {
        this.stopsAfter = stopsAfter;
        this.in = new BufferedInputStream(stream, 1 << 16);
        this.maxBytes = maxBytes;
    }

    /** Returns the next line that is not blank; null at the end. */
    byte @Nullable [] next() throws IOException {
        if (cut || bytesRead >= stopsAfter) {
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
                } else if (stopsAfter < Long.MAX_VALUE) {
                    cut = true;
                    return line.toByteArray();
                }
            }
            ended = b == '\n';
            if (blank && bytesRead >= stopsAfter) {
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

    /**
     * Returns whether reading has ended within a line that is too long; always false unless the source is untrusted.
     */
    boolean isCut() {
        return cut;
    }

    /** Returns the number of the last line that was read, from 1; blank lines are counted. */
    long number() {
        return number;
    }

    /**
     * Returns the number of bytes consumed from the source. These bytes end with the line end of the last line that was
     * read, unless this line is {@link #isCut cut} or has no line end.
     */
    long bytesRead() {
        return bytesRead;
    }

    /**
     * Returns whether the last line that was read had a line end; false if the stream ended without a line end. Not
     * valid if this line is {@link #isCut cut}.
     */
    boolean ended() {
        return ended;
    }
}
