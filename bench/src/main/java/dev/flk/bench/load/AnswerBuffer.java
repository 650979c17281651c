// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.load;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** One answer as it comes in: a status, headers with a length, a body. Knows no chunks, which our servers do not send here. */
final class AnswerBuffer {
    private static final int STATUS_AT = "HTTP/1.1 ".length();
    private static final byte[] END_OF_HEAD = "\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] LENGTH = "\r\ncontent-length:".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] LINE_STATUS = "{\"status\":".getBytes(StandardCharsets.US_ASCII);

    private ByteBuffer in = ByteBuffer.allocate(8 << 10);
    /** Where the body begins and ends; 0 while the head is not whole. */
    private int body;

    private int end;

    /** To be read into. */
    ByteBuffer room() {
        if (!in.hasRemaining()) {
            ByteBuffer larger = ByteBuffer.allocate(in.capacity() * 4);
            larger.put(in.flip());
            in = larger;
        }
        return in;
    }

    /** Whether all of it is there. */
    boolean isWhole() throws IOException {
        if (body == 0) {
            int head = find(END_OF_HEAD, 0, in.position());
            if (head < 0) {
                return false;
            }
            int length = find(LENGTH, 0, head);
            if (length < 0) {
                throw new IOException("an answer without a length: " + text(0, head));
            }
            body = head + END_OF_HEAD.length;
            end = body + number(length + LENGTH.length, head);
        }
        return in.position() >= end;
    }

    /** Checks the status, and that of each line of the answer to a batch. */
    void require(String status, int lines) throws IOException {
        if (lines == 1) {
            require(startsWith(STATUS_AT, status));
            return;
        }
        require(startsWith(STATUS_AT, "200"));
        int seen = 0;
        for (int at = body; at < end; at++) {
            require(find(LINE_STATUS, at, at + LINE_STATUS.length) == at
                    && startsWith(at + LINE_STATUS.length, status));
            seen++;
            while (at < end && in.get(at) != '\n') {
                at++;
            }
        }
        require(seen == lines);
    }

    private void require(boolean right) throws IOException {
        if (!right) {
            throw new IOException("not the answer that was expected: " + text(0, Math.min(end, 2_000)));
        }
    }

    private boolean startsWith(int at, String status) {
        for (int i = 0; i < status.length(); i++) {
            if (in.get(at + i) != status.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    void clear() throws IOException {
        if (in.position() > end) {
            throw new IOException("more than an answer: " + text(0, in.position()));
        }
        in.clear();
        body = 0;
        end = 0;
    }

    private String text(int from, int to) {
        return new String(Arrays.copyOfRange(in.array(), from, to), StandardCharsets.ISO_8859_1);
    }

    private int number(int from, int to) {
        int value = 0;
        for (int at = from; at < to && in.get(at) != '\r'; at++) {
            value = in.get(at) == ' ' ? value : 10 * value + in.get(at) - '0';
        }
        return value;
    }

    /** Where lower-case bytes stand, whatever the case; -1 if nowhere. */
    private int find(byte[] wanted, int from, int to) {
        byte[] bytes = in.array();
        int last = Math.min(to, in.position()) - wanted.length;
        for (int at = from; at <= last; at++) {
            int same = 0;
            while (same < wanted.length && lower(bytes[at + same]) == wanted[same]) {
                same++;
            }
            if (same == wanted.length) {
                return at;
            }
        }
        return -1;
    }

    private static byte lower(byte b) {
        return b >= 'A' && b <= 'Z' ? (byte) (b + ('a' - 'A')) : b;
    }
}
