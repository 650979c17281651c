// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.io.EOFException;
import java.io.IOException;
import java.util.zip.CRC32;
import java.util.zip.ZipException;

/** What is ahead of the data of a gzip member, RFC 1952, section 2.3. */
final class GzipHeader {
    private static final int MAGIC = 0x8b1f;
    private static final int DEFLATE = 8;
    private static final int FIXED_BYTES = 10;
    private static final int METHOD_AT = 2;
    private static final int FLAGS_AT = 3;

    private static final int HEADER_CHECKSUM = 1 << 1;
    private static final int EXTRA = 1 << 2;
    private static final int NAME = 1 << 3;
    private static final int COMMENT = 1 << 4;
    private static final int RESERVED = 0xe0;

    /** No name and no comment is longer; each byte of them is looked at. */
    private static final int MOST_TEXT_BYTES = 16 << 10;

    private GzipHeader() {}

    /**
     * Where the header that begins at {@code start} ends.
     *
     * @throws IOException if it is none, or not all of it is there
     */
    static int end(BodyBuffer encoded, int start) throws IOException {
        if (encoded.length() - start < FIXED_BYTES) {
            throw new EOFException();
        }
        int flags = encoded.at(start + FLAGS_AT);
        if (uint16(encoded, start) != MAGIC || encoded.at(start + METHOD_AT) != DEFLATE || (flags & RESERVED) != 0) {
            throw new ZipException("no header");
        }
        int end = start + FIXED_BYTES;
        if ((flags & EXTRA) != 0) {
            end = within(encoded, end + Short.BYTES);
            end = within(encoded, end + uint16(encoded, end - Short.BYTES));
        }
        if ((flags & NAME) != 0) {
            end = endOfText(encoded, end);
        }
        if ((flags & COMMENT) != 0) {
            end = endOfText(encoded, end);
        }
        if ((flags & HEADER_CHECKSUM) != 0) {
            CRC32 checksum = new CRC32();
            checksum.update(encoded.copy(start, end));
            end = within(encoded, end + Short.BYTES);
            if (uint16(encoded, end - Short.BYTES) != (checksum.getValue() & 0xffff)) {
                throw new ZipException("header's checksum is wrong");
            }
        }
        return end;
    }

    private static int endOfText(BodyBuffer encoded, int start) throws IOException {
        int most = Math.min(encoded.length(), start + MOST_TEXT_BYTES);
        for (int at = start; at < most; at++) {
            if (encoded.at(at) == 0) {
                return at + 1;
            }
        }
        throw new ZipException("name or comment without an end");
    }

    private static int within(BodyBuffer encoded, int end) throws IOException {
        if (end > encoded.length()) {
            throw new EOFException();
        }
        return end;
    }

    private static int uint16(BodyBuffer bytes, int at) {
        return (bytes.at(at) & 0xff) | (bytes.at(at + 1) & 0xff) << 8;
    }

    /** Little-endian, as all numbers of gzip. */
    static long uint32(BodyBuffer bytes, int at) {
        return uint16(bytes, at) | (long) uint16(bytes, at + Short.BYTES) << 16;
    }
}
