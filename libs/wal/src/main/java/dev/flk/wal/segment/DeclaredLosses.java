// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;

/**
 * The sequences that repairs declared lost, or that a restore skipped. Their absence is not damage any more, and no new
 * record ever gets one of these sequences. They are stored in files {@code inbox-lost-1}, {@code inbox-lost-2}, …, one
 * for each repair that lost records:
 *
 * <pre>
 * losses 2 0a1b2c3d                                       version; CRC32C of all following lines, lower-case hex
 * log 0123456789abcdef                                    the id of the log
 * 6 9 broken 5889 inbox-20261120-0000000000000001.wal     first, last; kind; offset and file
 * 9 8 absent 0 inbox-20261120-0000000000000008.wal        a missing file that left no gap in the sequences
 * 10 1000009 absent 0 skipped-by-a-restore                sequences that a restore skipped
 * …
 * </pre>
 *
 * <p>A file in any other form, or of another log, declares nothing, so that the losses are reported as damage again.
 * Version 1 has no line {@code log}, and counts for every log.
 */
public final class DeclaredLosses {
    public static final String NAME = "-lost-";

    /** The name that is written instead of a file for sequences that a restore skipped. */
    private static final String SKIPPED = "skipped-by-a-restore";

    private static final String OLD_VERSION = "losses 1 ";
    private static final String VERSION = "losses 2 ";
    private static final String BEGIN = "losses ";
    private static final String LOG = "log ";
    private static final int MAX_FILE_BYTES = 1 << 24;
    private static final Pattern LINE =
            Pattern.compile("([0-9]{1,18}) ([0-9]{1,18}) (broken|absent) ([0-9]{1,18}) (.+)");

    private final List<Damage> losses;

    private DeclaredLosses(List<Damage> losses) {
        this.losses = List.copyOf(losses);
    }

    /** Reads all declarations of a log; {@code names} lists the files in its directory. */
    static DeclaredLosses read(FileOps files, Path directory, String prefix, List<String> names, String logId)
            throws IOException {
        List<Damage> all = new ArrayList<>();
        for (String name : names) {
            if (name.startsWith(prefix + NAME)) {
                all.addAll(parse(content(files, directory.resolve(name)), logId));
            }
        }
        return new DeclaredLosses(all);
    }

    /**
     * Reads the declarations of a log in files with any names; files that contain no declarations are ignored.
     *
     * @param names the files in the directory
     */
    public static DeclaredLosses readAny(FileOps files, Path directory, List<String> names, String logId)
            throws IOException {
        List<Damage> all = new ArrayList<>();
        for (String name : names) {
            if (isDeclaration(files, directory.resolve(name))) {
                all.addAll(parse(content(files, directory.resolve(name)), logId));
            }
        }
        return new DeclaredLosses(all);
    }

    /** Returns whether a file begins like a file that declares losses. */
    public static boolean isDeclaration(FileOps files, Path file) throws IOException {
        try (OpenFile open = files.openForReading(file)) {
            return open.readUpTo(0, BEGIN.length()).equals(StandardCharsets.US_ASCII.encode(BEGIN));
        }
    }

    /** Returns the declaration that a restore skips the sequences from {@code first} to {@code last}. */
    public static Damage skipped(long first, long last) {
        return new Damage(Damage.Kind.ABSENT, SKIPPED, 0, first, last);
    }

    /**
     * Returns whether a declared loss is a range that a restore skipped: nothing is known to be lost in it, because the
     * archive ended before it.
     */
    public static boolean isSkipped(Damage loss) {
        return loss.segment().equals(SKIPPED);
    }

    /** Returns only the ranges that restores skipped. */
    public DeclaredLosses skips() {
        return new DeclaredLosses(
                losses.stream().filter(DeclaredLosses::isSkipped).toList());
    }

    /** Returns the losses that leave no gap in the sequences: missing files with an unknown number of records. */
    public List<Damage> ofUnknownLength() {
        return losses.stream().filter(loss -> loss.missing() == 0).toList();
    }

    /** Encodes a file that declares these losses; uses version 1 if the log has no id yet. */
    public static ByteBuffer encode(List<Damage> losses, String logId) {
        boolean hasId = !logId.equals(SegmentHeader.NO_ID);
        StringBuilder lines = new StringBuilder(hasId ? LOG + logId + "\n" : "");
        for (Damage loss : losses) {
            String kind = switch (loss.kind()) {
                case BROKEN -> "broken";
                case ABSENT -> "absent";
            };
            lines.append(loss.firstMissing()).append(' ').append(loss.lastMissing());
            lines.append(' ').append(kind).append(' ').append(loss.offset());
            lines.append(' ').append(loss.segment()).append('\n');
        }
        return StandardCharsets.UTF_8.encode(
                (hasId ? VERSION : OLD_VERSION) + checksum(lines.toString()) + "\n" + lines);
    }

    private static List<Damage> parse(String content, String logId) {
        int lineEnd = content.indexOf('\n') + 1;
        String lines = content.substring(lineEnd);
        List<Damage> losses = new ArrayList<>();
        String firstLine = content.substring(0, lineEnd);
        boolean isOurs = firstLine.equals(VERSION + checksum(lines) + "\n") && lines.startsWith(LOG + logId + "\n");
        if (!isOurs && !firstLine.equals(OLD_VERSION + checksum(lines) + "\n")) {
            return losses;
        }
        for (String line : lines.lines().toList()) {
            Matcher fields = LINE.matcher(line);
            if (fields.matches()) {
                losses.add(new Damage(
                        fields.group(3).equals("broken") ? Damage.Kind.BROKEN : Damage.Kind.ABSENT,
                        fields.group(5),
                        Long.parseLong(fields.group(4)),
                        Long.parseLong(fields.group(1)),
                        Long.parseLong(fields.group(2))));
            }
        }
        return losses;
    }

    private static String checksum(String lines) {
        CRC32C crc = new CRC32C();
        crc.update(lines.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }

    private static String content(FileOps files, Path file) throws IOException {
        try (OpenFile open = files.openForReading(file)) {
            ByteBuffer bytes = open.readUpTo(0, (int) Math.min(open.size(), MAX_FILE_BYTES));
            return StandardCharsets.UTF_8.decode(bytes).toString();
        }
    }

    /** Returns whether a sequence was declared lost. */
    public boolean contains(long sequence) {
        for (Damage loss : losses) { // not a stream: a start calls this method for each record that it reads
            if (loss.firstMissing() <= sequence && sequence <= loss.lastMissing()) {
                return true;
            }
        }
        return false;
    }

    /** Returns whether a repair declared losses in the file with this name. */
    public boolean names(String segment) {
        return losses.stream().anyMatch(loss -> loss.segment().equals(segment));
    }

    /** Returns whether all sequences from {@code first} to {@code last} were declared lost. */
    public boolean containsAll(long first, long last) {
        return undeclared(new Damage("", 0, first, last)).isEmpty();
    }

    /**
     * Returns the first sequence of the declared losses that lead up to {@code next} without a gap; returns {@code
     * next} if no declared loss ends right before it.
     */
    long beginOf(long next) {
        long begin = next;
        for (int i = 0; i < losses.size(); i++) {
            for (Damage loss : losses) {
                begin = loss.lastMissing() + 1 == begin ? loss.firstMissing() : begin;
            }
        }
        return begin;
    }

    /**
     * Returns the sequence after the last declared loss; 1 if no losses are declared. No new record gets a lower
     * sequence.
     */
    public long end() {
        return losses.stream().mapToLong(Damage::lastMissing).max().orElse(0) + 1;
    }

    /** Returns the parts of a damage that were not declared lost, in order. */
    public List<Damage> undeclared(Damage damage) {
        List<Damage> rest = List.of(damage);
        for (Damage loss : losses) {
            List<Damage> next = new ArrayList<>();
            for (Damage part : rest) {
                addUnlessEmpty(next, part, part.firstMissing(), Math.min(part.lastMissing(), loss.firstMissing() - 1));
                addUnlessEmpty(next, part, Math.max(part.firstMissing(), loss.lastMissing() + 1), part.lastMissing());
            }
            rest = next;
        }
        return rest;
    }

    /** Returns the number of sequences from {@code first} to {@code last} that were not declared lost. */
    public long notLost(long first, long last) {
        return first > last
                ? 0
                : undeclared(new Damage("", 0, first, last)).stream()
                        .mapToLong(Damage::missing)
                        .sum();
    }

    /** Returns the parts of a damage that were declared lost, as they were declared. */
    public List<Damage> within(Damage damage) {
        List<Damage> parts = new ArrayList<>();
        for (Damage loss : losses) {
            long first = Math.max(loss.firstMissing(), damage.firstMissing());
            addUnlessEmpty(parts, loss, first, Math.min(loss.lastMissing(), damage.lastMissing()));
        }
        return parts;
    }

    /** Returns the declared losses from a sequence on. */
    public List<Damage> from(long first) {
        List<Damage> parts = new ArrayList<>();
        for (Damage loss : losses) {
            addUnlessEmpty(parts, loss, Math.max(first, loss.firstMissing()), loss.lastMissing());
        }
        return parts;
    }

    private static void addUnlessEmpty(List<Damage> target, Damage damage, long first, long last) {
        if (first <= last) {
            target.add(damage.withMissing(first, last));
        }
    }
}
