// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;

/**
 * A text in UTF-8 that grows at its end. Texts are appended as bytes, not as strings that must be encoded later,
 * because most texts of a certificate are digits or are copied from its body. Not thread-safe.
 */
public final class Utf8Buffer {
    /**
     * The number of decimal digits of the greatest 64-bit integer; a power of ten with more digits does not fit into 64
     * bits.
     */
    private static final int MAX_DIGITS = 19;

    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

    private byte[] bytes;
    private int length;

    public Utf8Buffer(int capacity) {
        bytes = new byte[capacity];
    }

    /** Encodes a text that is appended often, so that it is encoded only once. */
    public static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Makes room for more bytes, and returns the array that contains the text. */
    private byte[] withRoomFor(int more) {
        if (more > bytes.length - length) {
            bytes = Arrays.copyOf(bytes, Math.max(Math.addExact(length, more), (int)
                    Math.min(2L * bytes.length, Integer.MAX_VALUE - 8)));
        }
        return bytes;
    }

    /** Appends an ASCII character. */
    public Utf8Buffer append(char c) {
        withRoomFor(1)[length++] = (byte) c;
        return this;
    }

    /** Appends a text of well-formed UTF-16. */
    public Utf8Buffer append(String text) {
        int chars = text.length();
        byte[] to = withRoomFor(chars);
        int all = 0;
        for (int i = 0; i < chars; i++) {
            char c = text.charAt(i);
            all |= c;
            to[length + i] = (byte) c;
        }
        if (all < 0x80) {
            length += chars;
            return this;
        }
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        return append(encoded);
    }

    /** Appends a text in quotes, escaped as in {@link CanonicalString}. */
    public Utf8Buffer appendQuoted(String text) {
        append('"');
        int chars = text.length();
        byte[] to = withRoomFor(chars);
        for (int i = 0; i < chars; i++) {
            char c = text.charAt(i);
            if (c < ' ' || c > '~' || c == '"' || c == '\\') {
                return append(CanonicalString.escape(text)).append('"');
            }
            to[length + i] = (byte) c;
        }
        length += chars;
        return append('"');
    }

    /** Appends bytes of UTF-8. */
    public Utf8Buffer append(byte[] from) {
        return append(from, 0, from.length);
    }

    /** Appends the UTF-8 bytes from index {@code start}, inclusive, to index {@code end}, exclusive. */
    public Utf8Buffer append(byte[] from, int start, int end) {
        System.arraycopy(from, start, withRoomFor(end - start), length, end - start);
        length += end - start;
        return this;
    }

    /** Appends an integer in decimal. */
    public Utf8Buffer append(long value) {
        return value < 0 ? append(Long.toString(value)) : append(value, 1);
    }

    /**
     * Appends an integer, which is not negative, in decimal; if it has fewer than {@code leastDigits} digits, zeros are
     * put before it.
     */
    public Utf8Buffer append(long value, int leastDigits) {
        int digits = Math.max(leastDigits, digits(value));
        byte[] to = withRoomFor(digits);
        length += digits;
        long rest = value;
        for (int at = length - 1; at >= length - digits; at--) {
            to[at] = (byte) ('0' + rest % 10);
            rest /= 10;
        }
        return this;
    }

    /** Returns the number of decimal digits of an integer that is not negative. */
    static int digits(long value) {
        int digits = 1;
        long power = 10;
        while (digits < MAX_DIGITS && value >= power) {
            digits++;
            power *= 10;
        }
        return digits;
    }

    /** Appends 64 bits as 16 lower-case hex digits. */
    public Utf8Buffer appendHex(long bits) {
        byte[] to = withRoomFor(16);
        for (int shift = 60; shift >= 0; shift -= 4) {
            to[length++] = HEX[(int) (bits >>> shift) & 0xf];
        }
        return this;
    }

    /** Returns the number of bytes. */
    public int length() {
        return length;
    }

    /** Removes the part of this text from index {@code start} to the end, and returns a copy of the removed part. */
    public byte[] removeFrom(int start) {
        byte[] removed = Arrays.copyOfRange(bytes, start, length);
        length = start;
        return removed;
    }

    /** Returns the byte at an index. */
    public byte at(int index) {
        return bytes[index];
    }

    /** Replaces the byte at an index with an ASCII character. */
    public void set(int index, char c) {
        bytes[index] = (byte) c;
    }

    /** Returns a copy of the bytes. */
    public byte[] toBytes() {
        return Arrays.copyOf(bytes, length);
    }

    /** Returns the array that contains this text from index 0 on; valid until something is appended. */
    public byte[] array() {
        return bytes;
    }

    /** Adds this text to the input of a digest. */
    public void update(MessageDigest digest) {
        digest.update(bytes, 0, length);
    }

    @Override
    public String toString() {
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
    }
}
