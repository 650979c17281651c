// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** How a body is compressed. Bodies are collected compressed, and decoded at the end into a buffer with a limit. */
enum ContentCoding {
    IDENTITY,
    GZIP,
    DEFLATE;

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

    /** Begins to decode {@code encoded} into {@code decoded}; the caller closes it. */
    Decoding decode(BodyBuffer encoded, BodyBuffer decoded) {
        return switch (this) {
            case GZIP -> Decoding.gzip(encoded, decoded);
            case DEFLATE -> Decoding.deflate(encoded, decoded, !hasZlibHeader(encoded));
            case IDENTITY -> throw new IllegalStateException("there is nothing to decode");
        };
    }

    /** The standard's "deflate" is zlib's format, but some clients send the bare stream. */
    private static boolean hasZlibHeader(BodyBuffer encoded) {
        return encoded.length() >= 2
                && (encoded.at(0) & ZLIB_METHOD_MASK) == ZLIB_DEFLATE
                && (((encoded.at(0) & 0xff) << 8) | (encoded.at(1) & 0xff)) % ZLIB_CHECK == 0;
    }
}
