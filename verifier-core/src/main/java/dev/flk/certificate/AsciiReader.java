// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.io.Reader;

/** ASCII in memory as characters, without a copy of all of it, each byte of which would take two. One thread's own. */
final class AsciiReader extends Reader {
    private final byte[] ascii;
    private int next;

    AsciiReader(byte[] ascii) {
        this.ascii = ascii;
    }

    @Override
    public int read(char[] into, int offset, int most) {
        int count = Math.min(most, ascii.length - next);
        if (count == 0) {
            return most == 0 ? 0 : -1;
        }
        for (int i = 0; i < count; i++) {
            into[offset + i] = (char) ascii[next + i];
        }
        next += count;
        return count;
    }

    @Override
    public void close() {
        // there is nothing to close
    }
}
