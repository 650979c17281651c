// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The format of a record.
 *
 * <pre>
 * part          bytes    content
 * magic         5        "flk1 "; "flk1+" where a segment header carries the record
 * checksum      8        CRC32C, lower-case hex, over the segment's id (16 ASCII digits; nothing for a segment header),
 *                        the header line from "length" to its line feed, inclusive, and the body
 *               1        space
 * length        1..9     length of the body in bytes, decimal
 * sequence      1..19    decimal
 * group         1..19    sequence of the first record of the group that was forced together
 * arrival       1..19    milliseconds since the epoch
 * kind          1        "H" for a segment header, otherwise a lower-case letter chosen by the caller
 * key id        1..64    [A-Za-z0-9._:-]; the segment's id in a segment header
 *               1        line feed
 * body          length   any bytes
 *               1        line feed
 * </pre>
 *
 * <p>One space separates the fields of the header line; numbers have no sign and no leading zero. Every byte is either
 * fixed or covered by the checksum, so that any change of a single byte is detected.
 */
public final class RecordFormat {
    /** The maximum length of a record's body. */
    public static final int MAX_BODY_BYTES = 1 << 26;

    /** The maximum number of bytes that share an fsync. */
    public static final int MAX_GROUP_BYTES = 1 << 27;

    /** The maximum length of a segment header's body, which carries a group and the records of one block. */
    private static final int MAX_HEADER_BODY_BYTES = 1 << 29;

    static final char SEGMENT_HEADER = 'H';

    /** The maximum length of a header line with its line feed. */
    static final int MAX_LINE_BYTES = 5 + 9 + 10 + 3 * 20 + 2 + 65;

    /** The maximum length of a record without its body. */
    public static final int MAX_OVERHEAD_BYTES = MAX_LINE_BYTES + 1;

    private static final byte[] MAGIC = "flk1 ".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] CARRIED_MAGIC = "flk1+".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
    private static final int LENGTH_AT = MAGIC.length + 9;

    /** The length in bytes of the part of a record that ends with the checksum. */
    static final int CHECKSUM_END = LENGTH_AT - 1;

    private RecordFormat() {}

    /** A record in a file; {@code length} is the length of the complete record, in bytes. */
    public record Framed(
            long sequence,
            long group,
            long arrivalMillis,
            char kind,
            String keyId,
            byte[] body,
            long offset,
            int length) {}

    /** Writes a record at the buffer's position. */
    public static void write(ByteBuffer target, byte[] seed, long sequence, long group, Entry entry) {
        write(target, MAGIC, seed, sequence, group, entry.arrivalMillis(), entry.kind(), entry.keyId(), entry.body());
    }

    /** Writes a record that a segment header carries. */
    static void writeCarried(ByteBuffer target, byte[] seed, long sequence, long group, Entry entry) {
        write(
                target,
                CARRIED_MAGIC,
                seed,
                sequence,
                group,
                entry.arrivalMillis(),
                entry.kind(),
                entry.keyId(),
                entry.body());
    }

    /** Writes a segment header record. */
    static void writeHeader(ByteBuffer target, long first, long openedMillis, String id, byte[] body) {
        write(target, MAGIC, new byte[0], first, first, openedMillis, SEGMENT_HEADER, id, body);
    }

    private static void write(
            ByteBuffer target,
            byte[] magic,
            byte[] seed,
            long sequence,
            long group,
            long arrivalMillis,
            char kind,
            String keyId,
            byte[] body) {
        int start = target.position();
        target.position(start + LENGTH_AT);
        putDecimal(target, body.length);
        putDecimal(target.put((byte) ' '), sequence);
        putDecimal(target.put((byte) ' '), group);
        putDecimal(target.put((byte) ' '), arrivalMillis);
        target.put((byte) ' ').put((byte) kind).put((byte) ' ');
        for (int i = 0; i < keyId.length(); i++) {
            target.put((byte) keyId.charAt(i));
        }
        target.put((byte) '\n').put(body);
        CRC32C crc = new CRC32C();
        crc.update(seed);
        crc.update(target.duplicate().position(start + LENGTH_AT).limit(target.position()));
        target.put((byte) '\n');
        int end = target.position();
        target.position(start).limit(end);
        target.put(magic);
        long value = crc.getValue();
        for (int shift = 28; shift >= 0; shift -= 4) {
            target.put(HEX[(int) (value >>> shift) & 0xf]);
        }
        target.put((byte) ' ');
        target.limit(target.capacity()).position(end);
    }

    /** Reads the record at {@code offset}; returns null if there is no complete record. */
    public static @Nullable Framed read(SegmentBytes bytes, long offset, byte[] seed) throws IOException {
        Framed framed = read(bytes, offset, MAGIC, seed);
        return framed == null || framed.kind() == SEGMENT_HEADER ? null : framed;
    }

    /** Reads a record that a segment header carries; returns null if there is no complete record at {@code offset}. */
    static @Nullable Framed readCarried(SegmentBytes bytes, long offset, byte[] seed) throws IOException {
        return read(bytes, offset, CARRIED_MAGIC, seed);
    }

    /** Reads the header record of a segment; returns null if the file does not begin with a complete one. */
    public static @Nullable Framed readHeader(SegmentBytes bytes) throws IOException {
        Framed framed = read(bytes, 0, MAGIC, new byte[0]);
        return framed == null || framed.kind() != SEGMENT_HEADER ? null : framed;
    }

    /**
     * Returns the sequence in the header line at {@code offset} without checking the checksum; -1 if there is no such
     * line, or its sequence is implausible.
     */
    static long unverifiedSequence(SegmentBytes bytes, long offset) throws IOException {
        Line line = Line.read(bytes, offset, MAGIC);
        return line == null || line.kind() == SEGMENT_HEADER || line.sequence() > SegmentNames.MAX_UNVERIFIED_SEQUENCE
                ? -1
                : line.sequence();
    }

    private static @Nullable Framed read(SegmentBytes bytes, long offset, byte[] magic, byte[] seed)
            throws IOException {
        Line line = Line.read(bytes, offset, magic);
        if (line == null
                || line.length() > line.maxLength()
                || !bytes.mayReach(offset + line.bytes() + line.length() + 1)) {
            return null;
        }
        int whole = line.bytes() + (int) line.length() + 1;
        if (bytes.load(offset, whole) < whole) {
            return null;
        }
        int at = bytes.index(offset);
        CRC32C crc = new CRC32C();
        crc.update(seed);
        crc.update(bytes.array(), at + LENGTH_AT, whole - LENGTH_AT - 1);
        if (crc.getValue() != line.checksum() || bytes.array()[at + whole - 1] != '\n') {
            return null;
        }
        return new Framed(
                line.sequence(),
                line.group(),
                line.arrivalMillis(),
                line.kind(),
                line.keyId(),
                bytes.copy(offset + line.bytes(), (int) line.length()),
                offset,
                whole);
    }

    /** A parsed header line; {@code bytes} is the length of the line, {@code length} the length of the body. */
    private record Line(
            long checksum,
            long length,
            long sequence,
            long group,
            long arrivalMillis,
            char kind,
            String keyId,
            int bytes) {

        long maxLength() {
            return kind == SEGMENT_HEADER ? MAX_HEADER_BODY_BYTES : MAX_BODY_BYTES;
        }

        static @Nullable Line read(SegmentBytes bytes, long offset, byte[] magic) throws IOException {
            int loaded = bytes.load(offset, MAX_LINE_BYTES);
            LineScanner scanner = new LineScanner(bytes.array(), bytes.index(offset), loaded);
            if (!scanner.skip(magic)) {
                return null;
            }
            long checksum = scanner.hex8();
            scanner.skip(' ');
            long length = scanner.decimal();
            scanner.skip(' ');
            long sequence = scanner.decimal();
            scanner.skip(' ');
            long group = scanner.decimal();
            scanner.skip(' ');
            long arrivalMillis = scanner.decimal();
            scanner.skip(' ');
            char kind = scanner.letter();
            scanner.skip(' ');
            String keyId = scanner.word();
            scanner.skip('\n');
            boolean kindFits = kind == SEGMENT_HEADER || (kind >= 'a' && kind <= 'z');
            return scanner.failed() || !kindFits
                    ? null
                    : new Line(checksum, length, sequence, group, arrivalMillis, kind, keyId, scanner.consumed());
        }
    }

    /**
     * Returns the first offset, at or after {@code from}, at which a record may begin, or else the file's size.
     */
    static long findMagic(SegmentBytes bytes, long from) throws IOException {
        return find(MAGIC, bytes, from, bytes.size());
    }

    /**
     * Returns the first offset, at or after {@code from}, at which a carried record may begin, or else the file's size.
     */
    static long findCarried(SegmentBytes bytes, long from) throws IOException {
        return find(CARRIED_MAGIC, bytes, from, bytes.size());
    }

    /**
     * Returns the first offset, at or after {@code from}, at which {@code magic} begins; {@code end} if it is not
     * found.
     */
    static long find(byte[] magic, SegmentBytes bytes, long from, long end) throws IOException {
        int chunk = 64 * 1024;
        for (long offset = from; offset < end; offset += chunk) {
            int loaded = bytes.load(offset, chunk + magic.length - 1);
            int index = bytes.index(offset);
            for (int i = 0; i + magic.length <= loaded && i < chunk; i++) {
                if (bytes.array()[index + i] == magic[0]
                        && Arrays.equals(bytes.array(), index + i, index + i + magic.length, magic, 0, magic.length)) {
                    return Math.min(offset + i, end);
                }
            }
        }
        return end;
    }

    /** Returns the length of a record in a segment, in bytes. */
    public static int lengthOf(LogRecord record) {
        int bodyBytes = record.body().length;
        return LENGTH_AT
                + digits(bodyBytes)
                + (1 + digits(record.sequence()))
                + (1 + digits(record.group()))
                + (1 + digits(record.arrivalMillis()))
                + 2 // the kind
                + (1 + record.keyId().length())
                + (1 + bodyBytes + 1);
    }

    private static int digits(long value) {
        int digits = 1;
        for (long rest = value; rest >= 10; rest /= 10) {
            digits++;
        }
        return digits;
    }

    private static void putDecimal(ByteBuffer target, long value) {
        int digits = digits(value);
        int end = target.position() + digits;
        long rest = value;
        for (int i = end - 1; i >= end - digits; i--) {
            target.put(i, (byte) ('0' + rest % 10));
            rest /= 10;
        }
        target.position(end);
    }

    /** A strict parser of a header line. After the first mismatch it stays in the failed state. */
    private static final class LineScanner {
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

        /** Reads a number of at most 19 digits, without a leading zero, that fits into a long. */
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
}
