// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Reads the lines of a segment header's body. What does not fit was written by another version, or by nobody. */
final class HeaderLines {
    private final byte[] body;
    private final String segment;
    private int at;

    HeaderLines(byte[] body, String segment) {
        this.body = body;
        this.segment = segment;
    }

    int at() {
        return at;
    }

    void skip(int bytes) {
        at += bytes;
    }

    String next() throws IOException {
        int end = at;
        while (end < body.length && body[end] != '\n') {
            end++;
        }
        if (end == body.length) {
            throw unreadable("a line is missing");
        }
        String line = new String(body, at, end - at, StandardCharsets.UTF_8);
        at = end + 1;
        return line;
    }

    /** The value of the next line, which must have that name. */
    String next(String name) throws IOException {
        String line = next();
        if (!line.startsWith(name + " ")) {
            throw unreadable("'" + name + " …' expected, '" + line + "' found");
        }
        return line.substring(name.length() + 1);
    }

    String[] split(@Nullable String value) throws IOException {
        String[] parts = String.valueOf(value).split(" ");
        if (parts.length != 2) {
            throw unreadable("two words expected in '" + value + "'");
        }
        return parts;
    }

    long number(@Nullable String value) throws IOException {
        try {
            return Long.parseLong(String.valueOf(value));
        } catch (NumberFormatException e) {
            throw unreadable("'" + value + "' is no number");
        }
    }

    private IOException unreadable(String what) {
        return new IOException("segment " + segment + " has a header that this program can't read: " + what);
    }
}
