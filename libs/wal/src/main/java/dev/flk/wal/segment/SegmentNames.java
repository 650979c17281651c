// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Locale;

/**
 * The names of a log's files: {@code <prefix>-<day>-<first appended sequence>.wal} for a segment. Other programs may
 * add to such a name, so the name only shows that a file may be a segment; the header decides.
 */
public final class SegmentNames {
    public static final String SUFFIX = ".wal";

    /** The text after the prefix in the name of a temporary file. */
    public static final String OPENING = "-opening-";

    /** The suffix of a file that is kept for inspection: a copy, or the file itself. */
    public static final String BROKEN = ".broken";

    public static final String GZIP = ".gz";

    /** The suffix of a compressed file that is still being written. */
    public static final String PART = ".part";

    /**
     * The highest sequence that is accepted without a checksum. A log continues after the highest sequence that it
     * finds; without this limit, damaged bytes could use up all sequences.
     */
    static final long MAX_UNVERIFIED_SEQUENCE = 999_999_999_999_999_999L;

    private static final int SOME = 5;

    private SegmentNames() {}

    /**
     * Returns the name under which a segment is opened.
     *
     * @param next the first sequence that is appended to the segment
     * @param millis the wall time of the opening, in milliseconds since the epoch
     */
    public static String of(String prefix, long next, long millis) {
        LocalDate day = LocalDate.ofInstant(Instant.ofEpochMilli(millis), ZoneOffset.UTC);
        return String.format(
                Locale.ROOT,
                "%s-%04d%02d%02d-%016d%s",
                prefix,
                day.getYear(),
                day.getMonthValue(),
                day.getDayOfMonth(),
                next,
                SUFFIX);
    }

    /** Returns whether a file with this name may be a segment; the header of the file decides whether it is one. */
    public static boolean isSegmentName(String name, String prefix) {
        return name.startsWith(prefix + "-") && name.contains(SUFFIX) && !name.contains(BROKEN) && !name.endsWith(PART);
    }

    /** Returns whether a name ends like the names that the log itself gives. */
    static boolean isWrittenByLog(String name) {
        return name.endsWith(SUFFIX) || name.endsWith(SUFFIX + GZIP);
    }

    /** Returns the name under which a segment was opened, without suffixes that were added later. */
    public static String openedName(String name) {
        int suffix = name.indexOf(SUFFIX);
        return suffix < 0 ? name : name.substring(0, suffix + SUFFIX.length());
    }

    /**
     * Returns the first appended sequence according to the name of a segment, which may have been renamed; {@code
     * Long.MAX_VALUE} if the name is not a segment's.
     */
    static long sequenceIn(String present) {
        String name = openedName(present); // logrotate may append a hyphen and a date
        int from = name.lastIndexOf('-') + 1;
        int to = name.indexOf('.', from);
        try {
            long sequence = to < 0 ? Long.MAX_VALUE : Long.parseLong(name.substring(from, to));
            return sequence <= MAX_UNVERIFIED_SEQUENCE ? sequence : Long.MAX_VALUE;
        } catch (NumberFormatException e) {
            return Long.MAX_VALUE;
        }
    }

    /** Returns an unused name for a file that is set aside. */
    public static String freeBrokenName(FileOps files, Path directory, String segment) throws IOException {
        List<String> taken = files.list(directory);
        String name = segment + BROKEN;
        for (int n = 2; taken.contains(name); n++) {
            name = segment + BROKEN + "." + n;
        }
        return name;
    }

    /**
     * Returns an unused name of the kind that logrotate gives, for a segment whose own name is needed for another
     * segment.
     */
    public static String freeRotatedName(FileOps files, Path directory, String segment) throws IOException {
        List<String> taken = files.list(directory);
        int n = 1;
        while (taken.contains(segment + "." + n)) {
            n++;
        }
        return segment + "." + n;
    }

    /** Returns at most five names and the number of the others, for a message. */
    static String some(List<String> names) {
        int more = names.size() - SOME;
        return String.join(", ", names.subList(0, Math.min(SOME, names.size())))
                + (more > 0 ? " and " + more + " more" : "");
    }
}
