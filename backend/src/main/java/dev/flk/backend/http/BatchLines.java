// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.util.Arrays;

/**
 * The lines of a batch. A line ends with a newline, or a carriage return and a newline; the last may end with the body. Each byte is looked at
 * once, and none of those behind the last line that may be.
 */
final class BatchLines {
    private static final int FIRST_LINES = 64;

    private final BodyBuffer body;
    private final int most;
    /** Where the newlines are, or the body ends. */
    private int[] ends = new int[FIRST_LINES];

    private int found;

    /** @param most lines that may be */
    BatchLines(BodyBuffer body, int most) {
        this.body = body;
        this.most = most;
        find();
    }

    private void find() {
        int at = 0;
        while (at < body.length() && found <= most) {
            int newline = body.indexOf((byte) '\n', at);
            add(newline);
            at = newline + 1;
        }
    }

    private void add(int end) {
        if (found == ends.length) {
            ends = Arrays.copyOf(ends, 2 * found);
        }
        ends[found++] = end;
    }

    /** How many there are, or one more than may be. */
    int count() {
        return found;
    }

    /** Whether there are more than may be. */
    boolean areMore() {
        return found > most;
    }

    /** Bytes of a line, without its end. */
    int length(int line) {
        return end(line) - start(line);
    }

    /** A copy of a line, without its end. */
    byte[] line(int line) {
        return body.copy(start(line), end(line));
    }

    private int start(int line) {
        return line == 0 ? 0 : ends[line - 1] + 1;
    }

    private int end(int line) {
        int end = ends[line];
        boolean hasReturn = end < body.length() && end > start(line) && body.at(end - 1) == '\r';
        return hasReturn ? end - 1 : end;
    }
}
