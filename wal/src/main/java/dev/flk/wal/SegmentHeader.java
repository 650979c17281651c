// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.RecordFormat.Framed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The first record of a segment. Its body is lines of text, then the records that it carries over:
 *
 * <pre>
 * format 1
 * ordinal 12                        rises with every segment ever opened; the order in which segments are read
 * first 345                         the first sequence that counts from here on: no record of an earlier segment with
 *                                   this sequence or a later one counts
 * next 347                          the first sequence to be appended; in between are the carried ones
 * previous inbox-….wal 90112        the segment that this one goes on from, and the position there ("-" 0: none)
 * context tol_d=0.15;…              how records appended here are to be understood
 * carried 2                         how many records follow, each as: "context …" and the record, whole, in the record
 *                                   format with this segment's id, but for a magic of its own
 * </pre>
 *
 * <p>The body is padded with spaces so that the header record fills whole 4 KiB blocks: no later write touches one of its
 * blocks. The checksum of a header record has no seed, since the id stands in it.
 *
 * @param id 16 hex digits, drawn at random; seeds the checksums of the segment's records
 */
record SegmentHeader(
        String id,
        long ordinal,
        long first,
        long next,
        String previous,
        long previousEnd,
        String context,
        long openedMillis,
        List<LogRecord> carried) {

    static final int BLOCK_BYTES = 4096;
    private static final String FORMAT = "format 1";

    byte[] seed() {
        return id.getBytes(StandardCharsets.US_ASCII);
    }

    /** The first bytes of the header record: they tell it from any other, and from none. */
    byte[] firstBytes() {
        byte[] bytes = new byte[RecordFormat.CHECKSUM_END];
        encode().get(bytes);
        return bytes;
    }

    /** The whole header record, a multiple of 4 KiB. */
    ByteBuffer encode() {
        byte[] lines = String.join(
                        "\n",
                        FORMAT,
                        "ordinal " + ordinal,
                        "first " + first,
                        "next " + next,
                        "previous " + previous + " " + previousEnd,
                        "context " + context,
                        "carried " + carried.size(),
                        "")
                .getBytes(StandardCharsets.UTF_8);
        int bound = lines.length;
        for (LogRecord record : carried) {
            bound += 16 + 4 * record.context().length() + RecordFormat.MAX_OVERHEAD_BYTES + record.body().length;
        }
        ByteBuffer body = ByteBuffer.allocate(bound).put(lines);
        for (LogRecord record : carried) {
            body.put(("context " + record.context() + "\n").getBytes(StandardCharsets.UTF_8));
            RecordFormat.writeCarried(body, seed(), record.sequence(), record.group(), record.entry());
        }
        byte[] padded = Arrays.copyOf(body.array(), paddedLength(body.position()));
        Arrays.fill(padded, body.position(), padded.length, (byte) ' ');
        ByteBuffer target = ByteBuffer.allocate(padded.length + RecordFormat.MAX_OVERHEAD_BYTES);
        RecordFormat.writeHeader(target, first, openedMillis, id, padded);
        return target.flip();
    }

    /** The least length of a body, not below {@code length}, with which the record fills whole blocks. */
    private int paddedLength(int length) {
        for (int total = BLOCK_BYTES; ; total += BLOCK_BYTES) {
            // the body's length has as many digits as the total, or one less
            int guess = total - 1 - headerLineBytes(total);
            for (int candidate = guess; candidate <= guess + 1; candidate++) {
                if (candidate >= length && headerLineBytes(candidate) + candidate + 1 == total) {
                    return candidate;
                }
            }
        }
    }

    private int headerLineBytes(int bodyLength) {
        return ("flk1 12345678 " + bodyLength + " " + first + " " + first + " " + openedMillis + " H " + id + "\n")
                .length();
    }

    /**
     * Takes a header record apart.
     *
     * @throws IOException if another version wrote it
     */
    static SegmentHeader parse(Framed framed, SegmentBytes bytes, String segment) throws IOException {
        HeaderLines lines = new HeaderLines(framed.body(), segment);
        String version = lines.next();
        if (!version.equals(FORMAT)) {
            throw new IOException("segment " + segment + " has '" + version + "', this program reads '" + FORMAT + "'");
        }
        long ordinal = lines.number(lines.next("ordinal"));
        long first = lines.number(lines.next("first"));
        long next = lines.number(lines.next("next"));
        String[] previous = lines.split(lines.next("previous"));
        long previousEnd = lines.number(previous[1]);
        String ownContext = lines.next("context");
        long carried = lines.number(lines.next("carried"));
        byte[] seed = framed.keyId().getBytes(StandardCharsets.US_ASCII);
        List<LogRecord> records = new ArrayList<>();
        int bodyAt = framed.length() - framed.body().length - 1;
        for (int i = 0; i < carried; i++) {
            String context = lines.next("context");
            long offset = (long) bodyAt + lines.at();
            Framed record = RecordFormat.readCarried(bytes, offset, seed);
            if (record == null) {
                throw new IOException(
                        "segment " + segment + ": carried record " + i + " at byte " + offset + " is broken");
            }
            lines.skip(record.length());
            records.add(SegmentScan.toRecord(record, context, segment));
        }
        return new SegmentHeader(
                framed.keyId(),
                ordinal,
                first,
                next,
                previous[0],
                previousEnd,
                ownContext,
                framed.arrivalMillis(),
                List.copyOf(records));
    }

    /** Reads the lines of a segment header's body. A line that does not fit was written by another version. */
    private static final class HeaderLines {
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

        String[] split(String value) throws IOException {
            String[] parts = value.split(" ");
            if (parts.length != 2) {
                throw unreadable("two words expected in '" + value + "'");
            }
            return parts;
        }

        long number(String value) throws IOException {
            try {
                return Long.parseLong(value);
            } catch (NumberFormatException e) {
                throw unreadable("'" + value + "' is no number");
            }
        }

        private IOException unreadable(String what) {
            return new IOException("segment " + segment + " has a header that this program can't read: " + what);
        }
    }
}
