// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Damage.TornTail;
import dev.flk.wal.LogInspector.LogListing.Kind;
import dev.flk.wal.LogInspector.LogListing.OtherFile;
import dev.flk.wal.LogReader.LogWalk;
import dev.flk.wal.RecordFormat.Framed;
import dev.flk.wal.SegmentList.Listed;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Read-only access to a log that another process may own and be writing: no lock, no file is written or created. What is being
 * written meanwhile is a torn tail or not seen yet, never damage. One thread.
 */
public final class LogInspector {
    private final FileOps files;
    private final Path directory;
    private final String prefix;

    /** @param prefix of the segments' names (see {@link LogOptions#prefix}) */
    public LogInspector(FileOps files, Path directory, String prefix) {
        this.files = files;
        this.directory = directory;
        this.prefix = prefix;
    }

    /**
     * Lists what stands in the directory. Reads the headers, and of the newest segment all.
     *
     * @throws IOException if the directory or a segment can't be read, or a segment is of another version
     */
    public LogListing list() throws IOException {
        return Vanished.retry(() -> {
            List<String> before = files.list(directory);
            SegmentList list = SegmentList.read(files, directory, prefix);
            List<SegmentSummary> segments = new ArrayList<>();
            for (int i = 0; i < list.segments().size(); i++) {
                segments.add(SegmentSummary.of(list, i));
            }
            // what came or went meanwhile could be taken for something else
            Set<String> settled = new TreeSet<>(files.list(directory));
            settled.retainAll(before);
            return new LogListing(segments, others(list, settled));
        });
    }

    /** Whether there is no trace of a log: no segment, whole or broken, and nothing that was given up. */
    public boolean isEmpty() throws IOException {
        return Vanished.retry(() -> {
            SegmentList list = SegmentList.read(files, directory, prefix);
            return list.isEmpty() && list.headless().isEmpty() && list.losses().end() == 1;
        });
    }

    /** Goes through the records from sequence {@code from}, or the oldest there is. The caller closes it. */
    public LogWalk walk(long from) {
        return new LogWalk(files, directory, prefix, from);
    }

    /** {@link #verify(long)} of a log that may begin anywhere. */
    public Verification verify() throws IOException {
        return verify(0);
    }

    /**
     * Reads the whole log and checks every checksum and the sequence; reads twice if something seems to be missing. Memory is that of the longest
     * record.
     *
     * @param from the first sequence that must be there; 0 if that is not known
     */
    public Verification verify(long from) throws IOException {
        Verification found = look(from);
        // a listing of a directory that changes meanwhile may lack a file
        return found.isWhole() ? found : look(from).alsoMissingIn(found);
    }

    private Verification look(long from) throws IOException {
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
        if (name.startsWith(prefix + SegmentList.OPENING)) {
            return Kind.OPENING;
        }
        if (name.startsWith(prefix + DeclaredLosses.NAME)) {
            return Kind.LOSSES;
        }
        if (name.endsWith(SegmentList.SUFFIX)) {
            return Kind.NO_SEGMENT;
        }
        return name.contains(SegmentList.SUFFIX) && name.contains(SegmentList.BROKEN) ? Kind.SET_ASIDE : Kind.FOREIGN;
    }

    /**
     * What stands in a log's directory.
     *
     * @param segments in the order in which they were opened
     * @param others all other files but the lock, by name
     */
    public record LogListing(List<SegmentSummary> segments, List<OtherFile> others) {

        /** Keeps copies. */
        public LogListing {
            segments = List.copyOf(segments);
            others = List.copyOf(others);
        }

        /** Whether there is no trace of a log: no segment, and no file that was one. */
        public boolean isEmpty() {
            return segments.isEmpty() && others.stream().noneMatch(file -> file.kind() == Kind.BROKEN_HEADER);
        }

        /** A file that is no segment. */
        public record OtherFile(String name, Kind kind) {}

        /** What such a file is. */
        public enum Kind {
            /** It was a segment, and its header is not whole: the records that went to it are lost. */
            BROKEN_HEADER,
            /** A segment of another log: none of its records counts. */
            OTHER_LOG,
            /** It is named somewhat like a segment, and has neither a whole header nor records. */
            NO_SEGMENT,
            /** A torn tail, or a file that was in the way, kept for those who want to see it. */
            SET_ASIDE,
            /** A segment that is being opened, or was when its process ended. */
            OPENING,
            /** Declares the records that a repair gave up. */
            LOSSES,
            /** Nothing of this log. */
            FOREIGN
        }
    }

    /**
     * What a reading of a whole log found.
     *
     * @param records how many records are whole
     * @param first the sequence of the first of them; 0 if there is none
     * @param last the sequence of the last of them; 0 if there is none
     * @param damages what had been forced and is gone, oldest first
     * @param givenUp what of it is known to be gone since a repair, and no damage any more
     * @param tornTail where the log ends unfinished; null if it does not
     * @param brokenHeaders segments whose header is damaged, although their records can be read
     * @param foreign files with segments of other logs
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

        /** Keeps copies. */
        public Verification {
            damages = List.copyOf(damages);
            givenUp = List.copyOf(givenUp);
            brokenHeaders = List.copyOf(brokenHeaders);
            foreign = List.copyOf(foreign);
        }

        /** Whether nothing is missing but, perhaps, a torn tail. */
        public boolean isWhole() {
            return damages.isEmpty();
        }

        /** How many sequences are gone. */
        public long missing() {
            return damages.stream().mapToLong(Damage::missing).sum();
        }

        /** How many sequences repairs gave up. */
        public long lost() {
            return givenUp.stream().mapToLong(Damage::missing).sum();
        }

        /** This one, with only those damages that begin where an earlier look found one, too. */
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
     * A segment, from its header, its length and its successor's header. Whether all its records can be read is checked by
     * {@link LogInspector#verify} only.
     *
     * @param name the file's name
     * @param ordinal rises with every segment ever opened
     * @param first the first sequence that counts here; the first of the carried records, if there are any
     * @param next the first sequence that was, or is to be, appended here
     * @param end the sequence behind the last one that counts here; {@code first} if none does
     * @param carried how many records its header repeats from earlier segments
     * @param bytes the file's length, zeros that were filled ahead included
     * @param openedMillis wall time at which it was opened, milliseconds since the epoch
     * @param context how the records appended here are to be understood (see {@link LogOptions#context})
     */
    public record SegmentSummary(
            String name,
            long ordinal,
            long first,
            long next,
            long end,
            int carried,
            long bytes,
            long openedMillis,
            String context,
            State state) {

        /** State of a segment. */
        public enum State {
            /** The active segment; without a writer, the one that the next start continues. */
            NEWEST,
            /** Cut to its length, forced, and continued by the next segment. */
            COMPLETE,
            /** A write or a force failed in it; what stands behind its last record that counts does not. */
            FAILED,
            /** Later segments repeat all its records that count. */
            SUPERSEDED,
            /** The segment that continued it is missing, or has no whole header. */
            DETACHED
        }

        /** How many sequences count here. */
        public long records() {
            return end - first;
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
            if (successor.goesOnFrom() == index) {
                // what the successor carries stands here, too, from where it goes on
                long carriedBytes = header.carried().stream()
                        .mapToLong(RecordFormat::lengthOf)
                        .sum();
                return scan.size() > header.previousEnd() + carriedBytes ? State.FAILED : State.COMPLETE;
            }
            if (header.previous().equals(SegmentList.openedName(successor.name()))) {
                // it replaced an empty segment, whose header would have told where it went on
                return scan.size() > endBelow(header.next(), scan) ? State.FAILED : State.COMPLETE;
            }
            return State.DETACHED;
        }

        /** The end of the last record with a sequence below {@code next}. */
        private static long endBelow(long next, SegmentScan scan) throws IOException {
            long end = scan.firstOffset();
            scan.seek(end);
            for (Framed record = scan.nextWhole();
                    record != null && record.sequence() < next;
                    record = scan.nextWhole()) {
                end = scan.offset();
            }
            scan.seek(scan.firstOffset());
            return end;
        }
    }
}
