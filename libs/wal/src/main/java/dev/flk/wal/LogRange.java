// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.LogInspector.Verification;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.ChecksummedLine;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.Vanished;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The range of records that a log must contain, for an owner that removes old segments. It shows whether segments at
 * the beginning or the end of the log are missing; the remaining segments do not show this. It is stored next to the
 * segments in a file such as {@code outbox.range}, as one line with a checksum:
 *
 * <pre>
 * flk-range1 log_id removed last crc32c
 *
 * log_id   the id of the log, 16 hex digits
 * removed  all records up to this sequence were removed by the owner, or are about to be removed
 * last     the last record that was known when the file was written
 * </pre>
 *
 * If the file is missing or damaged, or belongs to another log, the log is accepted as it is. Only the owner of the
 * directory may call the methods that write the file. Safe for any thread.
 */
public final class LogRange {
    private static final Pattern TEXT = Pattern.compile("flk-range1 ([0-9a-f]{16}) ([0-9]{1,18}) ([0-9]{1,18})");

    private final FileOps files;
    private final Path directory;
    private final String prefix;

    private record Range(String logId, long removed, long last) {
        /** The range of a log of which nothing is known. */
        private static final Range UNKNOWN = new Range("", -1, 0);
    }

    /** Creates access to the range of the log with this prefix in a directory. Every call reads the file again. */
    public LogRange(FileOps files, Path directory, String prefix) {
        this.files = files;
        this.directory = directory;
        this.prefix = prefix;
    }

    /** Returns the name of the file for a log with this prefix. */
    public static String file(String prefix) {
        return prefix + ".range";
    }

    /**
     * Returns the ranges of records that are missing before the first existing record and after the last one; empty if
     * none are missing or the log's range is not known.
     *
     * @param last the sequence of the last record that was read; 0 if no record was read
     */
    public List<Damage> missing(long last) throws IOException {
        SegmentList segments = segments();
        return known(segments).map(range -> missing(segments, range, last)).orElse(List.of());
    }

    private static List<Damage> missing(SegmentList segments, Range range, long last) {
        List<Damage> missing = new ArrayList<>();
        long first = segments.firstKnown();
        if (first > range.removed() + 1 && !segments.isEmpty()) {
            missing.add(segments.absentBefore(0, range.removed() + 1, first - 1));
        }
        long lastSeen =
                Math.max(Math.max(last, range.removed()), segments.losses().end() - 1);
        if (lastSeen < range.last()) {
            missing.add(segments.absentAtEnd(lastSeen + 1, range.last()));
        }
        return missing;
    }

    /**
     * Verifies that the log contains the records of its range. If the owner removed segments meanwhile, verifies the
     * log again.
     */
    public Verification verify(LogInspector log) throws IOException {
        Range range = known(segments()).orElse(Range.UNKNOWN);
        Verification found = log.verify(range.removed() + 1, range.last());
        Range since = known(segments()).orElse(Range.UNKNOWN);
        return since.removed() == range.removed() ? found : log.verify(since.removed() + 1, since.last());
    }

    /**
     * Accepts a log as it is, and stores its range. If the log ends earlier than the known range, the sequences of the
     * missing records will be used for new records.
     *
     * @param last the sequence of the last record of the log
     */
    public synchronized void accept(long last) throws IOException {
        SegmentList segments = segments();
        Optional<Range> known = known(segments);
        if (known.isEmpty()) {
            write(new Range(segments.logId(), segments.firstKnown() - 1, last));
        } else if (last != known.get().last()) {
            write(new Range(segments.logId(), Math.min(known.get().removed(), last), last));
        }
    }

    /** Stores that the owner is about to remove all records up to a sequence. */
    public synchronized void removing(long upTo) throws IOException {
        SegmentList segments = segments();
        Range known = known(segments).orElse(Range.UNKNOWN);
        write(new Range(segments.logId(), Math.max(known.removed(), upTo), Math.max(known.last(), upTo)));
    }

    /** Stores the last record of a log that is being closed. */
    public synchronized void endsWith(long last) throws IOException {
        SegmentList segments = segments();
        long removed = known(segments).map(Range::removed).orElse(segments.firstKnown() - 1);
        write(new Range(segments.logId(), removed, last));
    }

    /** Removes the file, so that the log is accepted as it is. */
    public synchronized void forget() throws IOException {
        if (files.list(directory).contains(file(prefix))) {
            files.delete(directory.resolve(file(prefix)));
            files.forceDirectory(directory);
        }
    }

    private SegmentList segments() throws IOException {
        return Vanished.retry(() -> SegmentList.read(files, directory, prefix));
    }

    private Optional<Range> known(SegmentList segments) throws IOException {
        if (!files.list(directory).contains(file(prefix))) {
            return Optional.empty();
        }
        return Vanished.retry(() -> ChecksummedLine.read(files, directory.resolve(file(prefix))))
                .map(TEXT::matcher)
                .filter(Matcher::matches)
                .map(text -> new Range(text.group(1), Long.parseLong(text.group(2)), Long.parseLong(text.group(3))))
                .filter(range -> range.logId().equals(segments.logId()));
    }

    private void write(Range range) throws IOException {
        ChecksummedLine.write(
                files,
                directory,
                prefix,
                file(prefix),
                "flk-range1 " + range.logId() + " " + Math.max(0, range.removed()) + " " + range.last());
    }
}
