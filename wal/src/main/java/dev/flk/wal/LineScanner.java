// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.nio.charset.StandardCharsets;

/** Takes a header line apart, strictly; after the first thing that does not fit it stays failed. */
final class LineScanner {
    private static final int KEY_ID_MAX = 64;

    private final byte[] array;
    private final int start;
    private final int end;
    private int at;
    private boolean failed;

    LineScanner(byte[] array, int start, int length) {
        this.array = array;
        this.start = start;
        this.end = start + length;
        this.at = start;
    }

    boolean failed() {
        return failed;
    }

    int consumed() {
        return at - start;
    }

    boolean skip(byte[] expected) {
        for (byte b : expected) {
            skip((char) b);
        }
        return !failed;
    }

    void skip(char expected) {
        if (peek() == expected) {
            at++;
        } else {
            failed = true;
        }
    }

    long hex8() {
        long value = 0;
        for (int i = 0; i < 8; i++) {
            int c = peek();
            int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            failed |= digit < 0;
            value = value << 4 | (digit & 0xf);
            at++;
        }
        return value;
    }

    /** At most 19 digits, no leading zero, not beyond a long. */
    long decimal() {
        int first = at;
        long value = 0;
        while (!failed && peek() >= '0' && peek() <= '9') {
            value = value * 10 + (peek() - '0');
            at++;
            failed |= value < 0 || at - first > 19;
        }
        failed |= at == first || (array[first] == '0' && at - first > 1);
        return value;
    }

    char letter() {
        int c = peek();
        failed |= !isLetter(c);
        at++;
        return (char) c;
    }

    String word() {
        int first = at;
        while (at - first <= KEY_ID_MAX && isWord(peek())) {
            at++;
        }
        failed |= at == first || at - first > KEY_ID_MAX;
        return failed ? "" : new String(array, first, at - first, StandardCharsets.US_ASCII);
    }

    private static boolean isLetter(int c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }

    private static boolean isWord(int c) {
        return isLetter(c) || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == ':' || c == '-';
    }

    private int peek() {
        return !failed && at < end ? array[at] & 0xff : -1;
    }
}
