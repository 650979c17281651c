// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.segment.RecordFormat.Framed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The first record of a segment. Its body consists of lines of text, the records that the segment carries over, spaces,
 * and the same lines again:
 *
 * <pre>
 * format 2
 * segment 00c1d2e3f4051627          the id of this segment
 * log 0123456789abcdef              the id of its log
 * blocks 000002                     the length of this header in blocks of 4 KiB
 * ordinal 12                        rises with every segment ever opened; segments are read in this order
 * first 345                         the first sequence that counts in this segment; in earlier segments, records with
 *                                   this or a later sequence do not count
 * next 347                          the first sequence to be appended; the carried records have the sequences before it
 * opened 1700000000000              wall time, milliseconds since the epoch
 * previous inbox-….wal 90112 3132…  the segment that this one continues: its name, the offset at which it is continued,
 *                                   and its id ("-" 0 "-": none)
 * context tol_d=0.15;…              the context of records appended to this segment
 * carried 2                         the number of carried records; each is stored as one line (the word "context", a
 *                                   checksum of the context, the context) and the complete record in the record format,
 *                                   with this segment's id as seed and the magic of carried records
 * checksum 0a1b2c3d                 CRC32C of the preceding lines
 * </pre>
 *
 * <p>The header record fills complete 4 KiB blocks, two or more, so that no later write touches one of its blocks. The
 * checksum of the record has no seed, because the record contains the id. The second copy of the lines is at the end of
 * the body, so that damage in one place leaves one copy intact: {@link #salvage} reads the header from the intact copy,
 * with every carried record that still matches its checksum.
 *
 * @param id 16 hex digits, drawn at random; seeds the checksums of the segment's records
 * @param logId 16 hex digits, drawn at random when the log is created
 * @param previousId the id of the previous segment; {@link #NO_ID} in the first segment
 */
public record SegmentHeader(
        String id,
        String logId,
        long ordinal,
        long first,
        long next,
        String previous,
        long previousEnd,
        String previousId,
        String context,
        long openedMillis,
        List<LogRecord> carried) {

    public static final int BLOCK_BYTES = 4096;

    /**
     * The minimum length of a header: two blocks, so that the loss of one block destroys only one copy of the lines.
     */
    private static final int MIN_BYTES = 2 * BLOCK_BYTES;

    /** The value of an unknown id. */
    public static final String NO_ID = "-";

    private static final String FORMAT = "format 2";
    private static final Pattern LOG_LINE = Pattern.compile("\nlog ([0-9a-f]{16})\n");
    private static final byte[] LINES_BEGIN = (FORMAT + "\nsegment ").getBytes(StandardCharsets.US_ASCII);

    /** The maximum length in bytes of the lines that {@link #salvage} finds. */
    private static final int MAX_LINES_BYTES = 4 * BLOCK_BYTES;

    /** The maximum length in bytes of a context's line that {@link #contextBefore} finds. */
    private static final int CONTEXT_WITHIN_BYTES = BLOCK_BYTES;

    /** Returns the id of the log that the first bytes of a segment name; empty if they name no log. */
    public static Optional<String> logIdIn(byte[] firstBytes) {
        Matcher line = LOG_LINE.matcher(
                new String(firstBytes, 0, Math.min(firstBytes.length, BLOCK_BYTES), StandardCharsets.ISO_8859_1));
        return line.find() ? Optional.of(line.group(1)) : Optional.empty();
    }

    public byte[] seed() {
        return id.getBytes(StandardCharsets.US_ASCII);
    }

    /** Returns the first bytes of the header record, which no other segment has. */
    public byte[] firstBytes() {
        byte[] bytes = new byte[RecordFormat.CHECKSUM_END];
        encode().get(bytes);
        return bytes;
    }

    /** Encodes the header record in format 2; its length is a multiple of 4 KiB. */
    public ByteBuffer encode() {
        byte[] lines = lines(0);
        int bound = 2 * lines.length;
        for (LogRecord record : carried) {
            bound += 32 + 4 * record.context().length() + RecordFormat.MAX_OVERHEAD_BYTES + record.body().length;
        }
        ByteBuffer body = ByteBuffer.allocate(bound).position(lines.length);
        for (LogRecord record : carried) {
            String line = "context " + contextChecksum(record.context()) + " " + record.context() + "\n";
            body.put(line.getBytes(StandardCharsets.UTF_8));
            RecordFormat.writeCarried(body, seed(), record.sequence(), record.group(), record.entry());
        }
        int length = paddedLength(body.position() + lines.length);
        byte[] padded = Arrays.copyOf(body.array(), length);
        Arrays.fill(padded, body.position(), length, (byte) ' ');
        lines = lines((headerLineBytes(length) + length + 1) / BLOCK_BYTES);
        System.arraycopy(lines, 0, padded, 0, lines.length);
        System.arraycopy(lines, 0, padded, length - lines.length, lines.length);
        ByteBuffer target = ByteBuffer.allocate(padded.length + RecordFormat.MAX_OVERHEAD_BYTES);
        RecordFormat.writeHeader(target, first, openedMillis, id, padded);
        return target.flip();
    }

    /** Returns the lines with their checksum. Their length does not depend on the number of blocks. */
    private byte[] lines(int blocks) {
        String lines = String.join(
                "\n",
                FORMAT,
                "segment " + id,
                "log " + logId,
                String.format(Locale.ROOT, "blocks %06d", blocks),
                "ordinal " + ordinal,
                "first " + first,
                "next " + next,
                "opened " + openedMillis,
                "previous " + previous + " " + previousEnd + " " + previousId,
                "context " + context,
                "carried " + carried.size(),
                "");
        return (lines + "checksum " + checksum(lines) + "\n").getBytes(StandardCharsets.UTF_8);
    }

    private static String checksum(String text) {
        CRC32C crc = new CRC32C();
        crc.update(text.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }

    private String contextChecksum(String ofContext) {
        return checksum(id + ofContext);
    }

    /** Returns the smallest length of a body, at least {@code length}, with which the record fills complete blocks. */
    private int paddedLength(int length) {
        for (int total = MIN_BYTES; ; total += BLOCK_BYTES) {
            // the header line contains the body's length, which has as many digits as the total or one digit fewer; try
            // both
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
     * Parses a header record.
     *
     * @throws IOException if another version wrote the header, or a carried record is broken
     */
    static SegmentHeader parse(Framed framed, SegmentBytes bytes, String segment) throws IOException {
        HeaderLines lines = new HeaderLines(framed.body(), segment);
        String version = lines.next();
        int bodyAt = framed.length() - framed.body().length - 1;
        if (!version.equals(FORMAT)) {
            throw new IOException("segment " + segment + " has '" + version + "', but this program reads only '"
                    + FORMAT + "'; use the version that wrote it, or begin a new log in another directory");
        }
        Lines own = Lines.read(lines);
        byte[] seed = own.header().seed();
        List<LogRecord> records = new ArrayList<>();
        for (int i = 0; i < own.carried(); i++) {
            String context = lines.next("context").substring(9);
            records.add(carried(bytes, bodyAt, lines, seed, context, segment, i));
        }
        return own.header().carrying(own.header().first(), records);
    }

    private static LogRecord carried(
            SegmentBytes bytes, int bodyAt, HeaderLines lines, byte[] seed, String context, String segment, int index)
            throws IOException {
        long offset = (long) bodyAt + lines.at();
        Framed record = RecordFormat.readCarried(bytes, offset, seed);
        if (record == null) {
            throw new IOException(
                    "segment " + segment + ": carried record " + index + " at byte " + offset + " is broken");
        }
        lines.skip(record.length());
        return SegmentScan.toRecord(record, context, segment);
    }

    private SegmentHeader carrying(long firstCounted, List<LogRecord> records) {
        return new SegmentHeader(
                id,
                logId,
                ordinal,
                firstCounted,
                next,
                previous,
                previousEnd,
                previousId,
                context,
                openedMillis,
                List.copyOf(records));
    }

    /**
     * A header that was read from a damaged record.
     *
     * @param bytes the length of the record, or of the file if that is shorter
     * @param isTruncated whether the file is shorter than the record
     */
    record Salvaged(SegmentHeader header, long bytes, boolean isTruncated) {}

    /**
     * Reads a damaged header of format 2 from an intact copy of its lines, wherever in the file that copy is, with the
     * carried records that match their checksums. A copy may belong to another segment, if the disk wrote a block of
     * that segment's header here. The appended records therefore decide which copy is used: their checksums match only
     * with the id of their own segment. If there are no complete appended records, the sequence in the file's name
     * decides.
     *
     * @return null if no copy is intact, or if neither an appended record nor the file's name shows that a copy belongs
     *     to this segment
     */
    static @Nullable Salvaged salvage(SegmentBytes bytes, String segment) throws IOException {
        Map<String, Copy> byId = new LinkedHashMap<>();
        Copy withRecords = null;
        long end = bytes.size();
        for (long at = RecordFormat.find(LINES_BEGIN, bytes, 0, end);
                at < end;
                at = RecordFormat.find(LINES_BEGIN, bytes, at + 1, end)) {
            Lines lines = Lines.find(copyOf(bytes, at, MAX_LINES_BYTES), segment);
            if (lines == null) {
                continue;
            }
            Copy copy = new Copy(lines, at + lines.bytes());
            boolean isNew = byId.put(lines.header().id(), copy) == null;
            Framed first = isNew ? SegmentScan.firstComplete(bytes, lines.header()) : null;
            if (first != null) {
                end = Math.min(end, first.offset());
                withRecords = copy;
            }
        }
        Copy chosen = withRecords == null
                ? byId.values().stream()
                        .filter(copy -> copy.lines().header().next() == SegmentNames.sequenceIn(segment))
                        .findFirst()
                        .orElse(null)
                : byId.get(withRecords.lines().header().id());
        return chosen == null ? null : salvaged(bytes, segment, chosen.lines(), chosen.headerEnd(bytes));
    }

    private static Salvaged salvaged(SegmentBytes bytes, String segment, Lines lines, long whole) throws IOException {
        long headerBytes = Math.min(whole, bytes.size());
        SortedMap<Long, LogRecord> records = new TreeMap<>();
        SegmentHeader header = lines.header();
        for (long from = RecordFormat.findCarried(bytes, 0);
                from < bytes.size();
                from = RecordFormat.findCarried(bytes, from + 1)) {
            Framed record = RecordFormat.readCarried(bytes, from, header.seed());
            String context = record == null ? null : header.contextBefore(bytes, from);
            if (record != null
                    && context != null
                    && header.first() <= record.sequence()
                    && record.sequence() < header.next()) {
                // the damage may have duplicated a record; use the first one
                records.putIfAbsent(record.sequence(), SegmentScan.toRecord(record, context, segment));
            }
        }
        return new Salvaged(
                header.carrying(header.first(), List.copyOf(records.values())), headerBytes, headerBytes < whole);
    }

    /**
     * Returns a copy of this salvaged header with only the carried records after the last missing one. Records with
     * lower sequences then count in earlier segments. Returns this header if no carried record is missing.
     */
    SegmentHeader withoutGaps() {
        long counted = next;
        int from = carried.size();
        while (from > 0 && carried.get(from - 1).sequence() == counted - 1) {
            from--;
            counted--;
        }
        return counted == first ? this : carrying(counted, carried.subList(from, carried.size()));
    }

    /**
     * Returns the context in the context line that ends at {@code end}; null if there is no such line or the context
     * does not match its checksum.
     */
    private @Nullable String contextBefore(SegmentBytes bytes, long end) throws IOException {
        long from = Math.max(0, end - CONTEXT_WITHIN_BYTES);
        String before = new String(copyOf(bytes, from, (int) (end - from)), StandardCharsets.UTF_8);
        int at = before.lastIndexOf("context ", before.length() - 1 - "context 12345678 ".length());
        if (at < 0 || !before.endsWith("\n")) {
            return null;
        }
        String found = before.substring(at + "context 12345678 ".length(), before.length() - 1);
        return before.startsWith(contextChecksum(found), at + "context ".length()) ? found : null;
    }

    private static byte[] copyOf(SegmentBytes bytes, long from, int length) throws IOException {
        return bytes.copy(from, bytes.load(from, length));
    }

    private static int indexOf(byte[] text, byte[] part) {
        int at = 0;
        while (at + part.length <= text.length && !isAt(at, text, part)) {
            at++;
        }
        return at + part.length <= text.length ? at : -1;
    }

    private static boolean isAt(int at, byte[] text, byte[] part) {
        return text[at] == part[0] && Arrays.equals(text, at, at + part.length, part, 0, part.length);
    }

    /**
     * The lines of format 2.
     *
     * @param bytes the length of the lines, including the checksum line
     */
    private record Lines(SegmentHeader header, long blocks, long carried, int bytes) {

        /**
         * Reads the lines after the first one. Does not check their checksum: the caller has checked either the lines
         * or the complete record.
         */
        static Lines read(HeaderLines lines) throws IOException {
            String id = lines.next("segment");
            String logId = lines.next("log");
            long blocks = lines.number(lines.next("blocks"));
            long ordinal = lines.number(lines.next("ordinal"));
            long first = lines.number(lines.next("first"));
            long next = lines.number(lines.next("next"));
            long openedMillis = lines.number(lines.next("opened"));
            String[] previous = lines.split(lines.next("previous"), 3);
            String context = lines.next("context");
            long carried = lines.number(lines.next("carried"));
            lines.next("checksum");
            SegmentHeader header = new SegmentHeader(
                    id,
                    logId,
                    ordinal,
                    first,
                    next,
                    previous[0],
                    lines.number(previous[1]),
                    previous[2],
                    context,
                    openedMillis,
                    List.of());
            return new Lines(header, blocks, carried, lines.at());
        }

        /**
         * Reads the lines at the beginning of a text; returns null if the lines do not match their checksum or another
         * version wrote them.
         */
        static @Nullable Lines find(byte[] text, String segment) {
            int checksumAt = indexOf(text, "\nchecksum ".getBytes(StandardCharsets.US_ASCII)) + 1;
            int end = checksumAt + "checksum 12345678\n".length();
            if (checksumAt == 0 || end > text.length) {
                return null;
            }
            String lines = new String(text, 0, checksumAt, StandardCharsets.UTF_8);
            String last = new String(text, checksumAt, end - checksumAt, StandardCharsets.UTF_8);
            if (!last.equals("checksum " + checksum(lines) + "\n")) {
                return null;
            }
            try {
                HeaderLines read = new HeaderLines(Arrays.copyOf(text, end), segment);
                return read.next().equals(FORMAT) ? read(read) : null;
            } catch (IOException e) {
                return null; // another version wrote the lines
            }
        }
    }

    /**
     * An intact copy of the lines of a header.
     *
     * @param end the offset after the copy
     */
    private record Copy(Lines lines, long end) {

        /**
         * Returns the offset at which the header ends. Usually, the number of blocks in the lines gives this offset. If
         * this is the second copy, and inserted or removed bytes have moved it, the header ends after the line feed
         * that follows the copy. A copy that was moved by whole blocks does not count as moved.
         */
        long headerEnd(SegmentBytes bytes) throws IOException {
            boolean isSecond = bytes.load(end, 1) == 1 && bytes.array()[bytes.index(end)] == '\n';
            boolean isMoved = isSecond && (end + 1) % BLOCK_BYTES != 0;
            return isMoved ? end + 1 : lines.blocks() * BLOCK_BYTES;
        }
    }

    /**
     * A reader of the lines of a header's body. It throws if a line is not as expected, which means that another
     * version wrote the header.
     */
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

        /** Returns the value of the next line, which must have this name. */
        String next(String name) throws IOException {
            String line = next();
            if (!line.startsWith(name + " ")) {
                throw unreadable("'" + name + " …' expected, '" + line + "' found");
            }
            return line.substring(name.length() + 1);
        }

        /** Splits a value at its last spaces. The first word is the name of a file, which may contain spaces. */
        String[] split(String value, int words) throws IOException {
            String[] parts = new String[words];
            int end = value.length();
            for (int i = words - 1; i > 0; i--) {
                int space = value.lastIndexOf(' ', end - 1);
                if (space < 0) {
                    throw unreadable(words + " words expected in '" + value + "'");
                }
                parts[i] = value.substring(space + 1, end);
                end = space;
            }
            parts[0] = value.substring(0, end);
            return parts;
        }

        long number(String value) throws IOException {
            try {
                return Long.parseLong(value);
            } catch (NumberFormatException e) {
                throw unreadable("'" + value + "' is not a number");
            }
        }

        private IOException unreadable(String what) {
            return new IOException("segment " + segment + " has a header that this program can't read: " + what);
        }
    }
}
