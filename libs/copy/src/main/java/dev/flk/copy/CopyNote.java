// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import dev.flk.copy.LogCopy.Place;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.segment.BrokenFiles.NewFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.zip.CRC32C;

/**
 * How far a log is copied, and where, in the file {@code inbox.copied} next to the segments, which is replaced
 * atomically:
 *
 * <pre>
 * flk-copied1 identity incarnation claimant term next newest ordinal segment_id offset where
 * begin ordinal entry                                              one line for each segment in the topic
 * checksum crc32c
 *
 * identity     the cluster and the topic
 * incarnation  the incarnation of the writer that owned the log at that entry; - if that is not known
 * claimant     the incarnation of the writer that owns the log, or that is about to claim it
 * term         the term of its claim
 * next         everything before this entry of the topic is known here
 * newest       the CRC32C of the entry before; - if that entry was not acknowledged to this writer
 * where        head if the place is in the segment's header or at its end, otherwise part
 * ordinal, segment_id, offset  everything in the log before this place is before that entry; 0, - and 0 at its beginning
 * </pre>
 *
 * @param identity what identifies the topic
 * @param newest see above; empty if it is not known
 * @param begins the first entry of each segment, by its ordinal
 */
record CopyNote(
        String identity,
        String incarnation,
        String claimant,
        long term,
        long next,
        String newest,
        Place place,
        Map<Long, Long> begins) {
    private static final String NUMBER = "([0-9]{1,18})";
    private static final Pattern FIRST = Pattern.compile("flk-copied1 (\\S+) ([0-9a-f]{16}|-) ([0-9a-f]{16}) " + NUMBER
            + " " + NUMBER + " ([0-9a-f]{8}|-) " + NUMBER + " ([0-9a-f]{16}|-) " + NUMBER + " (head|part)");
    private static final Pattern BEGIN = Pattern.compile("begin " + NUMBER + " " + NUMBER);
    private static final String CHECKSUM = "checksum ";
    private static final int MAX_BYTES = 1 << 24;

    /** Returns the name of the file for a log with this prefix. */
    static String file(String prefix) {
        return prefix + ".copied";
    }

    /** Reads the file; returns empty if it is missing or damaged. */
    static Optional<CopyNote> read(FileOps files, Path directory, String prefix) throws IOException {
        if (!files.list(directory).contains(file(prefix))) {
            return Optional.empty();
        }
        String text;
        try (OpenFile open = files.openForReading(directory.resolve(file(prefix)))) {
            text = StandardCharsets.US_ASCII
                    .decode(open.readUpTo(0, (int) Math.min(open.size(), MAX_BYTES)))
                    .toString();
        }
        int end = text.lastIndexOf(CHECKSUM);
        if (end < 0 || !text.substring(end).equals(CHECKSUM + checksum(text.substring(0, end)) + "\n")) {
            return Optional.empty();
        }
        List<String> lines = text.substring(0, end).lines().toList();
        Matcher first = FIRST.matcher(lines.isEmpty() ? "" : lines.get(0));
        if (!first.matches()) {
            return Optional.empty();
        }
        Map<Long, Long> begins = new TreeMap<>();
        for (String line : lines.subList(1, lines.size())) {
            Matcher begin = BEGIN.matcher(line);
            if (begin.matches()) {
                begins.put(Long.parseLong(begin.group(1)), Long.parseLong(begin.group(2)));
            }
        }
        return Optional.of(new CopyNote(
                first.group(1),
                known(first.group(2)),
                first.group(3),
                Long.parseLong(first.group(4)),
                Long.parseLong(first.group(5)),
                known(first.group(6)),
                new Place(
                        Long.parseLong(first.group(7)),
                        known(first.group(8)),
                        Long.parseLong(first.group(9)),
                        first.group(10).equals("part")),
                begins));
    }

    private static String known(String id) {
        return id.equals("-") ? "" : id;
    }

    private static String orUnknown(String id) {
        return id.isEmpty() ? "-" : id;
    }

    /** Writes the file, durably. The caller owns the directory. */
    void write(FileOps files, Path directory, String prefix) throws IOException {
        String text = "flk-copied1 " + identity + " " + orUnknown(incarnation) + " " + claimant + " " + term + " "
                + next + " "
                + orUnknown(newest) + " " + place.ordinal() + " " + orUnknown(place.id()) + " " + place.offset() + " "
                + (place.isInRecords() ? "part" : "head") + "\n"
                + begins.entrySet().stream()
                        .map(begin -> "begin " + begin.getKey() + " " + begin.getValue() + "\n")
                        .collect(Collectors.joining());
        byte[] bytes = (text + CHECKSUM + checksum(text) + "\n").getBytes(StandardCharsets.US_ASCII);
        NewFile.write(files, directory, prefix, file(prefix), file -> file.write(ByteBuffer.wrap(bytes), 0));
    }

    /** Returns whether a topic has the entry that this note knows as the newest one. */
    boolean hasNewest(CopyTopic topic) {
        long at = next - 1;
        return at >= topic.begin()
                && at < topic.end()
                && topic.read(at, next).stream()
                        .anyMatch(entry ->
                                entry.offset() == at && checksum(entry.value()).equals(newest));
    }

    /**
     * Returns a description of the loss of entries that a topic had acknowledged; empty if no loss is known.
     *
     * @param present the identity of the topic now
     * @param end the end of the topic before this process has written to it
     */
    Optional<String> loss(CopyTopic topic, String present, long end) {
        if (!identity.equals(present)) {
            return Optional.of("the topic is not the one to which the log was copied: it was created again, or is on"
                    + " another cluster");
        }
        if (end < next) {
            return Optional.of("the topic ends before entry " + next + ", up to which it had acknowledged entries");
        }
        boolean isReplaced = !newest.isEmpty() && next > topic.begin() && !hasNewest(topic);
        return isReplaced
                ? Optional.of(
                        "the topic no longer has entry " + (next - 1) + " as it was acknowledged: it has lost entries")
                : Optional.empty();
    }

    private static String checksum(String text) {
        return checksum(text.getBytes(StandardCharsets.US_ASCII));
    }

    /** Returns the CRC32C of an entry as it is in the file. */
    static String checksum(byte[] value) {
        CRC32C crc = new CRC32C();
        crc.update(value);
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }
}
