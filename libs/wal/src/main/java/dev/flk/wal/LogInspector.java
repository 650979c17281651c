// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.LogInspector.LogListing.Kind;
import dev.flk.wal.LogInspector.LogListing.OtherFile;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.Damage.TornTail;
import dev.flk.wal.segment.DeclaredLosses;
import dev.flk.wal.segment.LogId;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.RecordFormat;
import dev.flk.wal.segment.RecordFormat.Framed;
import dev.flk.wal.segment.SegmentCursor;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentList.Listed;
import dev.flk.wal.segment.SegmentNames;
import dev.flk.wal.segment.SegmentScan;
import dev.flk.wal.segment.Vanished;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Read-only access to a log that another process may own and be writing. It takes no lock and writes no file. Records
 * that are being written appear as a torn tail or not at all, never as damage. One thread.
 */
public final class LogInspector {
    private final FileOps files;
    private final Path directory;
    private final String prefix;

    /** @param prefix the prefix of the segments' names (see {@link LogOptions#prefix}) */
    public LogInspector(FileOps files, Path directory, String prefix) {
        this.files = files;
        this.directory = directory;
        this.prefix = prefix;
    }

    /**
     * Lists the files in the directory. Reads the headers of all segments, and all records of the newest segment.
     *
     * @throws IOException if the directory or a segment can't be read, or another version of this program wrote a
     *     segment
     */
    public LogListing list() throws IOException {
        return Vanished.retry(() -> {
            List<String> before = files.list(directory);
            SegmentList list = SegmentList.read(files, directory, prefix);
            List<SegmentSummary> segments = new ArrayList<>();
            for (int i = 0; i < list.segments().size(); i++) {
                segments.add(SegmentSummary.of(list, i));
            }
            // leave out files that appeared or disappeared meanwhile: their kind may be wrong
            Set<String> settled = new TreeSet<>(files.list(directory));
            settled.retainAll(before);
            return new LogListing(segments, others(list, settled));
        });
    }

    /**
     * Returns whether the directory contains no trace of a log: no segment, complete or broken, and no declared loss.
     */
    public boolean isEmpty() throws IOException {
        return Vanished.retry(() -> {
            SegmentList list = SegmentList.read(files, directory, prefix);
            return list.isEmpty() && list.headless().isEmpty() && list.losses().end() == 1;
        });
    }

    /** Returns the first sequences of the segments in order. A walk from one of them need not skip records. */
    public List<Long> beginnings() throws IOException {
        return Vanished.retry(() -> SegmentList.read(files, directory, prefix)).segments().stream()
                .map(segment -> segment.header().first())
                .toList();
    }

    /**
     * Returns a walk from sequence {@code from}, or from the oldest record if that is later. The walk skips damage. The
     * caller closes the walk.
     */
    public LogWalk walk(long from) {
        return new LogWalk(next -> LogReader.open(files, directory, prefix, next, OnDamage.SKIP), from);
    }

    /** Verifies a log that may begin and end with any sequence. See {@link #verify(long, long)}. */
    public Verification verify() throws IOException {
        return verify(0, 0);
    }

    /**
     * Reads the whole log and checks every checksum and all sequences; reads it again if records seem to be missing.
     * Needs as much memory as the longest record.
     *
     * @param from the first sequence that must exist; 0 if that is not known
     * @param to the last sequence that is known to have existed; 0 if that is not known
     */
    public Verification verify(long from, long to) throws IOException {
        Verification found = look(from, to);
        // the first listing may lack a file, because the directory changed meanwhile; therefore only damage that is
        // found twice counts
        return found.isComplete() ? found : look(from, to).alsoMissingIn(found);
    }

    private Verification look(long from, long to) throws IOException {
        try (LogWalk walk = walk(1)) {
            long records = 0;
            long first = 0;
            long last = 0;
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                first = records == 0 ? record.sequence() : first;
                last = record.sequence();
                records++;
            }
            SegmentList list = Vanished.retry(() -> SegmentList.read(files, directory, prefix));
            long begin = list.firstKnown();
            List<Damage> damages = new ArrayList<>();
            if (from > 0 && begin > from && !list.isEmpty()) {
                damages.add(list.absentBefore(0, from, begin - 1));
            }
            damages.addAll(walk.damages());
            long end = Math.max(Math.max(from, last + 1), list.losses().end());
            for (Damage damage : damages) {
                end = Math.max(end, damage.lastMissing() + 1);
            }
            if (end <= to) {
                damages.add(list.absentAtEnd(end, to));
            }
            return new Verification(
                    records,
                    first,
                    last,
                    damages,
                    list.losses().from(begin),
                    walk.tornTail(),
                    list.brokenHeaders(),
                    list.foreign());
        }
    }

    private List<OtherFile> others(SegmentList list, Set<String> names) {
        Set<String> segments = list.segments().stream().map(Listed::name).collect(Collectors.toSet());
        Set<String> headless = list.headless().stream().map(Damage::segment).collect(Collectors.toSet());
        List<OtherFile> others = new ArrayList<>();
        for (String name : names) {
            if (list.foreign().contains(name)) {
                others.add(new OtherFile(name, Kind.OTHER_LOG));
            } else if (!segments.contains(name) && !name.equals(Log.LOCK_FILE) && !name.equals(LogId.file(prefix))) {
                others.add(new OtherFile(name, headless.contains(name) ? Kind.BROKEN_HEADER : kind(name)));
            }
        }
        return others;
    }

    private Kind kind(String name) {
        if (!name.startsWith(prefix + "-")) {
            return Kind.FOREIGN;
        }
        if (name.startsWith(prefix + SegmentNames.OPENING)) {
            return Kind.OPENING;
        }
        if (name.startsWith(prefix + DeclaredLosses.NAME)) {
            return Kind.LOSSES;
        }
        if (name.endsWith(SegmentNames.SUFFIX)) {
            return Kind.NO_SEGMENT;
        }
        return name.contains(SegmentNames.SUFFIX) && name.contains(SegmentNames.BROKEN) ? Kind.SET_ASIDE : Kind.FOREIGN;
    }

    /**
     * The files in a log's directory.
     *
     * @param segments the segments in the order in which they were opened
     * @param others all other files except the lock file and the file with the log's id, sorted by name
     */
    public record LogListing(List<SegmentSummary> segments, List<OtherFile> others) {

        /** Copies the lists. */
        public LogListing {
            segments = List.copyOf(segments);
            others = List.copyOf(others);
        }

        /** Returns whether there are no segments, not even one with an unreadable header. */
        public boolean isEmpty() {
            return segments.isEmpty() && others.stream().noneMatch(file -> file.kind() == Kind.BROKEN_HEADER);
        }

        /** A file that is not a segment of this log. */
        public record OtherFile(String name, Kind kind) {}

        /** The kind of a file that is not a segment of this log. */
        public enum Kind {
            /** A file that was a segment: the header is unreadable, and the records are lost. */
            BROKEN_HEADER,
            /** A segment of another log; its records do not count. */
            OTHER_LOG,
            /**
             * A file whose name ends with {@code .wal} but that is not listed as a segment, and that is not known to
             * have contained lost records: an empty file, a file without a readable header whose records, if any, are
             * in other segments, or a copy of a segment.
             */
            NO_SEGMENT,
            /** A file that is kept for inspection, such as a torn tail or a damaged file. */
            SET_ASIDE,
            /** A new file, usually a segment, whose writing is in progress or was interrupted. */
            OPENING,
            /** A file in which a repair declared records lost. */
            LOSSES,
            /** Any other file, for example a file of the log's owner or of another program. */
            FOREIGN
        }
    }

    /**
     * The result of a verification.
     *
     * @param records the number of complete records
     * @param first the sequence of the first complete record; 0 if the log is empty
     * @param last the sequence of the last complete record; 0 if the log is empty
     * @param damages the ranges of forced records that are missing, oldest first
     * @param givenUp the ranges of missing records that a repair declared lost or a restore skipped; these ranges do
     *     not count as damage
     * @param tornTail the torn tail; null if the log ends cleanly
     * @param brokenHeaders segments whose damaged header was salvaged or derived
     * @param foreign files that are segments of other logs
     */
    public record Verification(
            long records,
            long first,
            long last,
            List<Damage> damages,
            List<Damage> givenUp,
            @Nullable TornTail tornTail,
            List<String> brokenHeaders,
            List<String> foreign) {

        /** Copies the lists. */
        public Verification {
            damages = List.copyOf(damages);
            givenUp = List.copyOf(givenUp);
            brokenHeaders = List.copyOf(brokenHeaders);
            foreign = List.copyOf(foreign);
        }

        /**
         * Returns whether no forced records are missing, except those that repairs declared lost. A torn tail does not
         * count as missing.
         */
        public boolean isComplete() {
            return damages.isEmpty();
        }

        /**
         * Returns the number of missing records. Damage with an unknown number of records counts as 0, so 0 does not
         * mean that the log is complete; see {@link #isComplete}.
         */
        public long missing() {
            return damages.stream().mapToLong(Damage::missing).sum();
        }

        /** Returns the number of records that repairs declared lost; ranges of unknown length count as 0. */
        public long lost() {
            return givenUp.stream()
                    .filter(loss -> !DeclaredLosses.isSkipped(loss))
                    .mapToLong(Damage::missing)
                    .sum();
        }

        /** Returns the number of sequences that restores skipped. */
        public long skipped() {
            return givenUp.stream()
                    .filter(DeclaredLosses::isSkipped)
                    .mapToLong(Damage::missing)
                    .sum();
        }

        /** Returns a copy of this result with only the damage that an earlier verification found too. */
        Verification alsoMissingIn(Verification earlier) {
            Set<Long> known =
                    earlier.damages().stream().map(Damage::firstMissing).collect(Collectors.toSet());
            return new Verification(
                    records,
                    first,
                    last,
                    damages.stream()
                            .filter(damage -> known.contains(damage.firstMissing()))
                            .toList(),
                    givenUp,
                    tornTail,
                    brokenHeaders,
                    foreign);
        }
    }

    /**
     * A segment as described by its header, its length and its successor's header. Only {@link LogInspector#verify}
     * checks whether all of its records can be read.
     *
     * @param name the name of the file
     * @param ordinal a number that rises with every segment ever opened
     * @param first the first sequence that counts in the segment; the first of the carried records, if there are any
     * @param next the first sequence that was or will be appended to the segment
     * @param end the sequence after the last record that counts in the segment; {@code first} if no record counts
     * @param records the number of records that count in the segment
     * @param carried the number of records that the segment's header carries from earlier segments
     * @param bytes the length of the content, uncompressed, including zeros written ahead
     * @param openedMillis the wall time at which the segment was opened, in milliseconds since the epoch
     * @param context the context of the records that were appended to the segment (see {@link LogOptions#context})
     */
    public record SegmentSummary(
            String name,
            long ordinal,
            long first,
            long next,
            long end,
            long records,
            int carried,
            long bytes,
            long openedMillis,
            String context,
            State state) {

        /** The state of a segment. */
        public enum State {
            /** The active segment or, if the log is not open, the segment that the next start continues. */
            NEWEST,
            /** A segment that was truncated to its records, forced, and continued by the next segment. */
            COMPLETE,
            /**
             * A segment that was not truncated to its records, for example because a write failed or another program
             * moved the file; the bytes after the last record that counts are ignored.
             */
            FAILED,
            /** A segment without records that count: later segments repeat or replace them. */
            SUPERSEDED,
            /** A segment whose successor is missing or has no complete header. */
            DETACHED
        }

        static SegmentSummary of(SegmentList list, int index) throws IOException {
            try (SegmentCursor cursor = list.open(index)) {
                SegmentScan scan = cursor.scan();
                SegmentHeader header = scan.header();
                State state = state(list, index, scan);
                long end = list.segments().get(index).countedEnd();
                if (end == Long.MAX_VALUE) {
                    while (cursor.next() != null) {}
                    end = cursor.expected();
                }
                return new SegmentSummary(
                        scan.segment(),
                        header.ordinal(),
                        header.first(),
                        header.next(),
                        Math.max(header.first(), end),
                        list.losses().notLost(header.first(), end - 1),
                        header.carried().size(),
                        scan.size(),
                        header.openedMillis(),
                        header.context(),
                        state);
            }
        }

        private static State state(SegmentList list, int index, SegmentScan scan) throws IOException {
            Listed listed = list.segments().get(index);
            if (listed.countedEnd() <= listed.header().first()) {
                return State.SUPERSEDED;
            }
            if (index + 1 == list.segments().size()) {
                return listed.countedEnd() == Long.MAX_VALUE ? State.NEWEST : State.DETACHED;
            }
            Listed successor = list.segments().get(index + 1);
            SegmentHeader header = successor.header();
            if (successor.predecessor() == index) {
                // previousEnd is the offset in this segment of the first record that the successor repeats; bytes after
                // the last repeated record do not count
                long carriedBytes = header.carried().stream()
                        .mapToLong(RecordFormat::lengthOf)
                        .sum();
                return scan.size() > header.previousEnd() + carriedBytes ? State.FAILED : State.COMPLETE;
            }
            if (header.previous().equals(SegmentNames.openedName(successor.name()))) {
                // the successor replaced an empty segment with the same name. Only the header of that empty segment
                // contained the offset at which this segment ends, so the end is computed from the records
                return scan.size() > endBelow(header.next(), scan) ? State.FAILED : State.COMPLETE;
            }
            return State.DETACHED;
        }

        /** Returns the offset after the last record with a sequence below {@code next}. */
        private static long endBelow(long next, SegmentScan scan) throws IOException {
            long end = scan.firstOffset();
            scan.seek(end);
            for (Framed record = scan.nextComplete();
                    record != null && record.sequence() < next;
                    record = scan.nextComplete()) {
                end = scan.offset();
            }
            scan.seek(scan.firstOffset());
            return end;
        }
    }
}
