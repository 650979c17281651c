// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import java.io.IOException;
import java.io.InputStream;

/**
 * A stream that does not end where its source ends now, but waits for more, until it is told that there will be none. One thread reads.
 */
public final class GrowingFile extends InputStream {
    private final InputStream source;
    private final Waiting waiting;

    /** Waits for more. */
    public interface Waiting {
        /** Waits a while; returns whether there may be more, or ever will. */
        boolean forMore() throws IOException;
    }

    /** A source that gives -1 at its end now, and more later. */
    public GrowingFile(InputStream source, Waiting waiting) {
        this.source = source;
        this.waiting = waiting;
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        int read = source.read(target, offset, length);
        while (read < 0 && waiting.forMore()) {
            read = source.read(target, offset, length);
        }
        return read;
    }
}
