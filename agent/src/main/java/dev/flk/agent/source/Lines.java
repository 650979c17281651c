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
    private long number;

    Lines(InputStream stream, int maxBytes) {
        this.in = new BufferedInputStream(stream, 1 << 16);
        this.maxBytes = maxBytes;
    }

    /** The next line that is not blank, or null at the end. */
    byte @Nullable [] next() throws IOException {
        var line = new ByteArrayOutputStream();
        int b = in.read();
        while (b >= 0) {
            number++;
            boolean blank = true;
            for (; b >= 0 && b != '\n'; b = in.read()) {
                blank &= b == ' ' || b == '\t' || b == '\r';
                if (line.size() <= maxBytes) {
                    line.write(b);
                }
            }
            if (!blank) {
                return line.toByteArray();
            }
            line.reset();
            b = in.read();
        }
        return null;
    }

    /** The number of the line that was read last, from 1. */
    long number() {
        return number;
    }
}
