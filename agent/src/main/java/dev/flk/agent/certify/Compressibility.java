// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import java.util.zip.Deflater;

/**
 * How far a window's bytes compress: the size after zlib at level {@value #LEVEL} by the size before, 0 to 1. Near 1: no
 * structure that zlib finds. Two builds of zlib may differ by some bytes here, and only here; the {@code pcs_id} does not
 * depend on it.
 */
final class Compressibility {
    private static final int LEVEL = 6;

    private Compressibility() {}

    /** The ratio; 1 for nothing at all and for what only grows. */
    static double of(byte[] bytes) {
        if (bytes.length == 0) {
            return 1;
        }
        Deflater zlib = new Deflater(LEVEL);
        try {
            zlib.setInput(bytes);
            zlib.finish();
            byte[] discarded = new byte[1 << 13];
            while (!zlib.finished()) {
                zlib.deflate(discarded);
            }
            return Math.min(1.0, (double) zlib.getBytesWritten() / bytes.length);
        } finally {
            zlib.end();
        }
    }
}
