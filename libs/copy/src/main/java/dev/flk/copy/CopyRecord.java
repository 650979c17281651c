// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A record of the topic: one line of ASCII, and the bytes that follow it.
 *
 * <pre>
 * flk-copy1 claim incarnation term instance millis host    the writer owns the log from here on
 * flk-copy1 beat now incarnation term instance millis host
 *                                                          the writer still owns the log; the time, and its claim,
 *                                                          which may have been removed from the topic
 * flk-copy1 part incarnation segment_id ordinal offset before_ordinal before_offset name
 *                                                          bytes of a segment from this offset on, after those before
 *                                                          the other place, which is in the segment before if the
 *                                                          offset is 0
 * flk-copy1 head …                                         a part of the segment's header, otherwise the same
 * flk-copy1 file incarnation name                          the content of another file of the log
 *
 * incarnation  16 hex digits, drawn by each writer; the instance identifies its backend
 * term         a number above those of all claims that the writer knew
 * millis       wall time, milliseconds since the epoch
 * </pre>
 *
 * <p>A record counts for nothing if its incarnation differs from the incarnation of the last claim before it: its
 * writer no longer owned the log.
 */
public sealed interface CopyRecord {
    /** The most bytes of a part. */
    int MAX_PART_BYTES = 512 << 10;

    /** Returns the writer's incarnation. */
    String incarnation();

    /** The writer owns the log from here on. */
    record Claim(String incarnation, long term, String instance, long millis, String host) implements CopyRecord {
        /** Creates a claim of a writer that does not know those before yet. */
        public Claim(String incarnation, String instance, long millis, String host) {
            this(incarnation, 0, instance, millis, host);
        }

        /** Returns this claim after one with this term. */
        Claim after(long before) {
            return new Claim(incarnation, before + 1, instance, millis, host);
        }

        /** Returns this claim, made again later. */
        Claim at(long later) {
            return new Claim(incarnation, term, instance, later, host);
        }
    }

    /** The writer of a claim still owns the log. */
    record Beat(Claim claim, long millis) implements CopyRecord {
        @Override
        public String incarnation() {
            return claim.incarnation();
        }
    }

    /**
     * A segment.
     *
     * @param name the name under which it was opened
     */
    record Segment(String id, long ordinal, String name) {}

    /**
     * A place in the log, up to which bytes were copied.
     *
     * @param ordinal the ordinal of a segment; 0 before the first one
     */
    record End(long ordinal, long offset) {}

    /**
     * Bytes of a segment.
     *
     * @param isHeader whether they are a part of its header, and no appended records
     * @param after the place up to which the writer had sent the log before
     */
    record Part(String incarnation, Segment segment, boolean isHeader, long offset, End after, byte[] bytes)
            implements CopyRecord {
        @Override
        public boolean equals(Object other) {
            return other instanceof Part that
                    && incarnation.equals(that.incarnation)
                    && segment.equals(that.segment)
                    && isHeader == that.isHeader
                    && offset == that.offset
                    && after.equals(that.after)
                    && Arrays.equals(bytes, that.bytes);
        }

        @Override
        public int hashCode() {
            return segment.hashCode();
        }
    }

    /** The content of another file of the log, such as its checkpoint. */
    record Attachment(String incarnation, String name, byte[] content) implements CopyRecord {
        @Override
        public boolean equals(Object other) {
            return other instanceof Attachment that
                    && incarnation.equals(that.incarnation)
                    && name.equals(that.name)
                    && Arrays.equals(content, that.content);
        }

        @Override
        public int hashCode() {
            return name.hashCode();
        }
    }

    /** Returns the bytes of the record in the format above. */
    default byte[] encode() {
        if (this instanceof Claim claim) {
            return encoded("claim " + text(claim));
        }
        if (this instanceof Beat beat) {
            return encoded("beat " + beat.millis + " " + text(beat.claim));
        }
        if (this instanceof Part part) {
            Segment of = part.segment;
            return encoded(
                    (part.isHeader ? "head " : "part ") + part.incarnation + " " + of.id + " " + of.ordinal + " "
                            + part.offset + " " + part.after.ordinal + " " + part.after.offset + " " + of.name,
                    part.bytes);
        }
        Attachment file = (Attachment) this;
        return encoded("file " + file.incarnation + " " + file.name, file.content);
    }

    private static String text(Claim claim) {
        return claim.incarnation + " " + claim.term + " " + claim.instance + " " + claim.millis + " " + claim.host;
    }

    private static byte[] encoded(String line, byte... bytes) {
        byte[] head = (Format.MAGIC + line + "\n").getBytes(StandardCharsets.US_ASCII);
        return ByteBuffer.allocate(head.length + bytes.length)
                .put(head)
                .put(bytes)
                .array();
    }

    /**
     * Decodes the output of {@link #encode}.
     *
     * @throws IllegalArgumentException if the bytes do not have that format
     */
    static CopyRecord decode(byte[] bytes) {
        int end = 0;
        while (end < bytes.length && end < Format.MAX_LINE && bytes[end] != '\n') {
            end++;
        }
        String line = new String(bytes, 0, end, StandardCharsets.US_ASCII);
        byte[] rest = Arrays.copyOfRange(bytes, Math.min(end + 1, bytes.length), bytes.length);
        Matcher found = Format.LINE.matcher(line);
        if (!found.matches()) {
            throw new IllegalArgumentException("not a record of a copy of a log: " + line);
        }
        if (found.group("instance") != null) {
            Claim claim = new Claim(
                    found.group("c"),
                    Long.parseLong(found.group("term")),
                    found.group("instance"),
                    Long.parseLong(found.group("claimed")),
                    found.group("host"));
            return found.group("now") == null ? claim : new Beat(claim, Long.parseLong(found.group("now")));
        }
        if (found.group("segment") != null) {
            return new Part(
                    found.group("p"),
                    new Segment(found.group("segment"), Long.parseLong(found.group("ordinal")), found.group("name")),
                    found.group("kind").equals("head"),
                    Long.parseLong(found.group("offset")),
                    new End(Long.parseLong(found.group("before")), Long.parseLong(found.group("to"))),
                    rest);
        }
        return new Attachment(found.group("f"), found.group("file"), rest);
    }

    /** The pattern of the first line. */
    final class Format {
        private static final String MAGIC = "flk-copy1 ";
        private static final int MAX_LINE = 1024;
        private static final String ID = "[0-9a-f]{16}";
        private static final String NUMBER = "[0-9]{1,18}";
        private static final Pattern LINE = Pattern.compile(MAGIC
                + "((claim|beat (?<now>" + NUMBER + ")) (?<c>" + ID + ") (?<term>" + NUMBER + ") (?<instance>" + ID
                + ") (?<claimed>" + NUMBER + ") (?<host>[!-~]+)"
                + "|(?<kind>head|part) (?<p>" + ID + ") (?<segment>" + ID + ") (?<ordinal>" + NUMBER + ") (?<offset>"
                + NUMBER
                + ") (?<before>" + NUMBER + ") (?<to>" + NUMBER + ") (?<name>[ -~]+)"
                + "|file (?<f>" + ID + ") (?<file>[!-~]+))");

        private Format() {}
    }
}
