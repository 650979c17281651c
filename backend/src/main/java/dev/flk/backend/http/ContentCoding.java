// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Locale;
import java.util.Optional;
import java.util.zip.GZIPInputStream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/** How a body is compressed. Bodies are collected compressed, and decoded at the end into a buffer with a limit. */
enum ContentCoding {
    IDENTITY,
    GZIP,
    DEFLATE;

    private static final int STEP_BYTES = 8 << 10;
    private static final int ZLIB_METHOD_MASK = 0x0f;
    private static final int ZLIB_DEFLATE = 8;
    private static final int ZLIB_CHECK = 31;

    /** The coding of a {@code Content-Encoding}, null standing for none; empty if it is not known here. */
    static Optional<ContentCoding> of(@Nullable String header) {
        String name = header == null ? "" : header.strip().toLowerCase(Locale.ROOT);
        return switch (name) {
            case "", "identity" -> Optional.of(IDENTITY);
            case "gzip", "x-gzip" -> Optional.of(GZIP);
            case "deflate" -> Optional.of(DEFLATE);
            default -> Optional.empty();
        };
    }

    /** The longest compressed body that can decode to {@code bytes}: what does not compress grows a little. */
    int mostEncoded(int bytes) {
        return this == IDENTITY ? bytes : bytes + bytes / 1000 + 64;
    }

    /**
     * Decodes {@code encoded} into {@code decoded} as far as there is room.
     *
     * @throws IOException if it is not encoded that way, or ends early
     */
    BodyBuffer.Taken decode(byte[] encoded, BodyBuffer decoded) throws IOException {
        byte[] step = new byte[STEP_BYTES];
        try (InputStream in = open(encoded)) {
            for (int read = in.read(step); read >= 0; read = in.read(step)) {
                BodyBuffer.Taken taken = decoded.append(step, read);
                if (taken != BodyBuffer.Taken.YES) {
                    return taken;
                }
            }
            return BodyBuffer.Taken.YES;
        }
    }

    private InputStream open(byte[] encoded) throws IOException {
        InputStream in = new ByteArrayInputStream(encoded);
        return switch (this) {
            case IDENTITY -> in;
            case GZIP -> new Gunzipped(in);
            case DEFLATE -> new Deflated(in, new Inflater(!hasZlibHeader(encoded)));
        };
    }

    /** The standard's "deflate" is zlib's format, but some clients send the bare stream. */
    private static boolean hasZlibHeader(byte[] encoded) {
        return encoded.length >= 2
                && (encoded[0] & ZLIB_METHOD_MASK) == ZLIB_DEFLATE
                && (((encoded[0] & 0xff) << 8) | (encoded[1] & 0xff)) % ZLIB_CHECK == 0;
    }

    /**
     * Reads all members, which may be empty, but not many in a row: the JDK's stream calls itself for the member after an
     * empty one, and a body of nothing else would use up the stack.
     */
    private static final class Gunzipped extends GZIPInputStream {
        private static final int MOST_IN_A_ROW = 100;
        private int depth;

        private Gunzipped(InputStream in) throws IOException {
            super(in, STEP_BYTES);
        }

        @Override
        public int read(byte[] into, int offset, int most) throws IOException {
            if (depth > MOST_IN_A_ROW) {
                throw new ZipException("too many empty members");
            }
            depth++;
            try {
                return super.read(into, offset, most);
            } finally {
                depth--;
            }
        }
    }

    /** Ends its inflater, which a stream does not do for one that it was given. */
    private static final class Deflated extends InflaterInputStream {
        private Deflated(InputStream in, Inflater inflater) {
            super(in, inflater, STEP_BYTES);
        }

        @Override
        public void close() throws IOException {
            super.close();
            inf.end();
        }
    }
}
