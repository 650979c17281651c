// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import io.netty.buffer.ByteBuf;

/**
 * Looks at the lines of a request's head before the decoder does, which takes what a proxy in front may read in another way: a
 * line that is continued by a space at the beginning of the next (obs-fold, RFC 9112 section 5.2), a space before the first
 * header, and anything but one space between the three parts of the request line (section 3). Owned by the event loop of the
 * connection.
 */
final class HeadLines {
    private static final byte[] VERSION = {'H', 'T', 'T', 'P', '/'};
    /** {@code HTTP/1.1} */
    private static final int VERSION_BYTES = VERSION.length + 3;

    private boolean requestLineSeen;
    private boolean ambiguous;

    /**
     * Looks at what the decoder is about to take: all complete lines up to the end of the head, the first of which begins at
     * the reader index. What is behind them is looked at again when more has come.
     */
    void look(ByteBuf in) {
        int start = in.readerIndex();
        for (int end = lineEnd(in, start); end >= 0; end = lineEnd(in, start)) {
            int last = end > start && in.getByte(end - 1) == '\r' ? end - 1 : end;
            if (last == start) {
                if (requestLineSeen) {
                    requestLineSeen = false;
                    return;
                }
            } else if (requestLineSeen) {
                checkHeader(in.getByte(start));
            } else {
                requestLineSeen = true;
                ambiguous = !isRequestLine(in, start, last);
            }
            start = end + 1;
        }
    }

    /** Whether a head that was looked at to its end, can be read in another way. */
    boolean isAmbiguous() {
        return ambiguous;
    }

    private void checkHeader(byte first) {
        ambiguous |= first == ' ' || first == '\t';
    }

    private static int lineEnd(ByteBuf in, int start) {
        return in.indexOf(start, in.writerIndex(), (byte) '\n');
    }

    private static boolean isRequestLine(ByteBuf in, int start, int end) {
        int first = in.indexOf(start, end, (byte) ' ');
        int second = first < 0 ? -1 : in.indexOf(first + 1, end, (byte) ' ');
        return first > start
                && second > first + 1
                && isVersion(in, second + 1, end)
                && in.forEachByte(start, end - start, b -> b >= ' ' || b < 0) < 0;
    }

    private static boolean isVersion(ByteBuf in, int start, int end) {
        if (end - start != VERSION_BYTES) {
            return false;
        }
        for (int i = 0; i < VERSION.length; i++) {
            if (in.getByte(start + i) != VERSION[i]) {
                return false;
            }
        }
        return isDigit(in.getByte(end - 3)) && in.getByte(end - 2) == '.' && isDigit(in.getByte(end - 1));
    }

    private static boolean isDigit(byte character) {
        return character >= '0' && character <= '9';
    }
}
