// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.RecordFormat.Framed;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The segments of a directory in the order in which they were opened. A segment is known by its header: what logrotate adds to its
 * name, or compresses, is still one. An empty file is none; a file with a segment's own name, content and no whole header
 * had one: that is damage.
 */
final class SegmentList {
    static final String SUFFIX = ".wal";
    static final String OPENING = "-opening-";
    static final String BROKEN = ".broken";
    private static final int ATTEMPTS = 10;

    private final Path directory;
    private final FileOps files;
    private final List<Listed> segments;
    private final List<Damage> headless;
    private final DeclaredLosses losses;
    private final String prefix;
    private final String logId;
    private final boolean isIdKept;
    private final List<String> foreign;

    /** The newest segment, if it is known and not there. */
    private final @Nullable String absentNewest;

    /**
     * A segment's name and header.
     *
     * @param countedEnd records with a sequence from here on don't count in it
     * @param isHeaderBroken whether the header was read from what is left of it
     * @param copies other files with the same header and no more whole records, like one that is just being compressed
     * @param goesOnFrom the place in the list of the segment that this one goes on from, its own if it replaced one of its name; -1 if
     *     that is not there
     * @param absentFrom the first sequence that stood in that segment and in no earlier one that is there; meaningless if it is there
     */
    record Listed(
            String name,
            SegmentHeader header,
            boolean isHeaderBroken,
            long countedEnd,
            List<String> copies,
            int goesOnFrom,
            long absentFrom) {
        static Listed of(String name, SegmentHeader header, boolean isHeaderBroken, List<String> copies) {
            return new Listed(name, header, isHeaderBroken, Long.MAX_VALUE, copies, -1, Long.MAX_VALUE);
        }

        Listed endingAt(long end) {
            return new Listed(name, header, isHeaderBroken, end, copies, goesOnFrom, absentFrom);
        }

        Listed goingOnFrom(int index) {
            SegmentHeader counted = isHeaderBroken ? header.withoutGaps() : header;
            return new Listed(name, counted, isHeaderBroken, countedEnd, copies, index, Long.MAX_VALUE);
        }

        Listed lacking(long first) {
            return new Listed(name, header, isHeaderBroken, countedEnd, copies, -1, first);
        }
    }

    private SegmentList(
            Path directory,
            FileOps files,
            String prefix,
            String logId,
            boolean isIdKept,
            List<Listed> segments,
            List<String> foreign,
            List<Damage> headless,
            DeclaredLosses losses,
            @Nullable String absentNewest) {
        this.directory = directory;
        this.files = files;
        this.prefix = prefix;
        this.logId = logId;
        this.isIdKept = isIdKept;
        this.foreign = foreign;
        this.segments = segments;
        this.headless = headless;
        this.losses = losses;
        this.absentNewest = absentNewest;
    }

    /** Reads the headers of all segments, again while files are being renamed, so that none is missed. */
    static SegmentList read(FileOps files, Path directory, String prefix) throws IOException {
        List<String> names = files.list(directory);
        for (int attempt = 1; ; attempt++) {
            SegmentList list = read(files, directory, prefix, names);
            List<String> after = files.list(directory);
            if (segmentNames(after, prefix).equals(segmentNames(names, prefix))) {
                return list;
            }
            if (attempt == ATTEMPTS) {
                throw new IOException("the files in " + directory + " are renamed faster than they can be listed");
            }
            names = after;
        }
    }

    private static List<String> segmentNames(List<String> names, String prefix) {
        return names.stream().filter(name -> isSegmentName(name, prefix)).toList();
    }

    private static SegmentList read(FileOps files, Path directory, String prefix, List<String> names)
            throws IOException {
        Map<String, List<Listed>> byId = new LinkedHashMap<>();
        List<Damage> headless = new ArrayList<>();
        for (String name : names) {
            // an empty file is none, and may be another user's
            if (isSegmentName(name, prefix)
                    && files.status(directory.resolve(name))
                            .filter(status -> status.bytes() > 0)
                            .isPresent()) {
                try (SegmentScan scan = SegmentScan.open(files, directory.resolve(name))) {
                    Damage lost = scan == null && isOurName(name)
                            ? SegmentScan.lostWithHeader(files, directory.resolve(name))
                            : null;
                    if (scan != null) {
                        SegmentHeader header = scan.header();
                        byId.computeIfAbsent(header.id() + " " + header.ordinal(), id -> new ArrayList<>())
                                .add(Listed.of(name, header, scan.isHeaderBroken(), List.of()));
                    } else if (lost != null) {
                        headless.add(lost);
                    }
                }
            }
        }
        Optional<String> keptId = LogId.read(files, directory, prefix, names);
        String logId = keptId.isPresent() ? keptId.get() : commonId(directory, prefix, byId.values());
        List<List<Listed>> ours = new ArrayList<>();
        List<String> foreign = new ArrayList<>();
        for (List<Listed> copies : byId.values()) {
            if (isOfAnotherLog(copies.get(0).header(), logId, byId.values())) {
                copies.forEach(copy -> foreign.add(copy.name()));
            } else {
                ours.add(copies);
            }
        }
        DeclaredLosses losses = DeclaredLosses.read(files, directory, prefix, names, logId);
        List<Listed> found = new ArrayList<>();
        for (List<Listed> copies : ours) {
            found.add(fullest(files, directory, copies));
        }
        found.sort(Comparator.comparingLong(listed -> listed.header().ordinal()));
        for (int i = 0; i < found.size(); i++) {
            found.set(i, withPredecessor(files, directory, found, i, losses));
        }
        if (!found.isEmpty() && found.get(found.size() - 1).isHeaderBroken()) {
            addIfEmpty(files, directory, found.get(found.size() - 1), headless);
        }
        long countedEnd = Long.MAX_VALUE;
        for (int i = found.size() - 1; i >= 0; i--) {
            Listed listed = found.get(i);
            found.set(i, listed.endingAt(Math.min(countedEnd, lostFrom(headless, listed))));
            countedEnd = Math.min(Math.min(countedEnd, listed.header().first()), absentFrom(listed));
        }
        return new SegmentList(
                directory, files, prefix, logId, keptId.isPresent(), found, foreign, headless, losses, null);
    }

    /** If even the header of the newest segment is damaged, and no record follows it, there may have been some. */
    private static void addIfEmpty(FileOps files, Path directory, Listed newest, List<Damage> headless)
            throws IOException {
        Path file = directory.resolve(newest.name());
        try (SegmentScan scan = SegmentScan.open(files, file)) {
            Damage lost = scan == null || scan.nextWhole() == null ? SegmentScan.lostWithHeader(files, file) : null;
            if (lost != null) {
                headless.add(lost);
            }
        }
    }

    /** The id that the segments agree on; {@link SegmentHeader#NO_ID} if none has one. */
    private static String commonId(Path directory, String prefix, Collection<List<Listed>> found) throws IOException {
        Map<String, List<String>> names = new TreeMap<>();
        for (List<Listed> copies : found) {
            for (Listed copy : copies) {
                names.computeIfAbsent(copy.header().logId(), id -> new ArrayList<>())
                        .add(copy.name());
            }
        }
        names.remove(SegmentHeader.NO_ID);
        if (names.size() > 1) {
            throw new IOException(directory + " holds segments of several logs, and " + LogId.file(prefix)
                    + ", which names the right one, is missing or damaged: move the segments of the other logs away. They are "
                    + String.join(
                            "; ",
                            names.entrySet().stream()
                                    .map(entry ->
                                            "of log " + entry.getKey() + " " + String.join(", ", entry.getValue()))
                                    .toList()));
        }
        return names.isEmpty() ? SegmentHeader.NO_ID : names.keySet().iterator().next();
    }

    /** Segments of format 1 have no log's id; they are older than all others of their log. */
    private static boolean isOfAnotherLog(SegmentHeader header, String logId, Collection<List<Listed>> found) {
        if (!header.logId().equals(SegmentHeader.NO_ID)) {
            return !header.logId().equals(logId);
        }
        return found.stream()
                .map(copies -> copies.get(0).header())
                .anyMatch(other -> other.logId().equals(logId)
                        && !logId.equals(SegmentHeader.NO_ID)
                        && other.ordinal() <= header.ordinal());
    }

    /** The same for who knows that this is the newest, whether it is there or not: what it holds does not count elsewhere. */
    SegmentList endingWith(Segment newest) {
        String id = newest.header().id();
        if (segments.stream().anyMatch(listed -> listed.header().id().equals(id))) {
            return this;
        }
        List<Listed> before = new ArrayList<>();
        for (Listed listed : segments) {
            before.add(listed.endingAt(
                    Math.min(listed.countedEnd(), newest.header().next())));
        }
        return new SegmentList(
                directory, files, prefix, logId, isIdKept, before, foreign, headless, losses, newest.name());
    }

    /** The first sequence that was appended to the segment that this one goes on from, if that is not there. */
    private static long absentFrom(Listed listed) {
        return listed.goesOnFrom() < 0 ? listed.absentFrom() : Long.MAX_VALUE;
    }

    /**
     * With where the segment stands that it goes on from. Compressing and rotating add to that one's name; and a segment that was rotated
     * before anything was acknowledged in it has the name of the one that replaced it, which may be gone: then it ends too early.
     */
    private static Listed withPredecessor(
            FileOps files, Path directory, List<Listed> found, int index, DeclaredLosses losses) throws IOException {
        Listed next = found.get(index);
        String previous = next.header().previous();
        long absentFrom = previous.endsWith(SUFFIX) ? sequenceIn(previous) : Long.MAX_VALUE;
        if (!next.header().previousId().equals(SegmentHeader.NO_ID)) {
            for (int i = index - 1; i >= 0; i--) {
                if (found.get(i).header().id().equals(next.header().previousId())) {
                    return next.goingOnFrom(i);
                }
            }
            return next.lacking(absentFrom);
        }
        for (int i = index; i >= 0; i--) {
            Listed before = found.get(i);
            if (before.name().startsWith(previous)) {
                boolean isSure = i == index
                        || isOurName(before.name())
                        || before.header().ordinal() == next.header().ordinal() - 1;
                long end = isSure ? Long.MAX_VALUE : endOf(files, directory, before, next.header());
                long first = next.header().first();
                return end >= first || losses.containsAll(end, first - 1)
                        ? next.goingOnFrom(i)
                        : next.lacking(Math.max(end, absentFrom));
            }
        }
        return next.lacking(absentFrom);
    }

    /**
     * The sequence behind the last whole record that stands in a segment; behind none of them, if another one goes on from it at a
     * place where none ends: what stands there was refused then, and stood in one that is not there.
     */
    private static long endOf(FileOps files, Path directory, Listed listed, SegmentHeader next) throws IOException {
        long none = listed.header().next();
        try (SegmentScan scan = SegmentScan.open(files, directory.resolve(listed.name()))) {
            if (scan == null) {
                return none;
            }
            long end = none;
            long goesOnAt = end == next.first() ? scan.firstOffset() : 0;
            for (Framed record = scan.nextWhole(); record != null; record = scan.nextWhole()) {
                end = Math.max(end, record.sequence() + 1);
                goesOnAt = record.sequence() + 1 == next.first() ? scan.offset() : goesOnAt;
            }
            return next.previousEnd() == 0 || next.previousEnd() == goesOnAt ? end : none;
        }
    }

    /** Whether a file with this name may be a segment; its header tells. */
    static boolean isSegmentName(String name, String prefix) {
        return name.startsWith(prefix + "-")
                && name.contains(SUFFIX)
                && !name.contains(BROKEN)
                && !name.endsWith(Retention.PART);
    }

    /** Whether a log gives such a name, and nothing was added to it. */
    private static boolean isOurName(String name) {
        return name.endsWith(SUFFIX) || name.endsWith(SUFFIX + Retention.GZIP);
    }

    /** The name that a segment was opened under: without what was added to it. */
    static String openedName(String name) {
        int suffix = name.indexOf(SUFFIX);
        return suffix < 0 ? name : name.substring(0, suffix + SUFFIX.length());
    }

    /** Of files with one header, the one with most whole records: another may be half compressed, or cut. */
    private static Listed fullest(FileOps files, Path directory, List<Listed> copies) throws IOException {
        Listed fullest = copies.get(0);
        long most = -1;
        for (Listed copy : copies.size() == 1 ? List.<Listed>of() : copies) {
            try (SegmentScan scan = SegmentScan.open(files, directory.resolve(copy.name()))) {
                long whole = scan == null ? -1 : scan.countWhole();
                if (whole > most) {
                    fullest = copy;
                    most = whole;
                }
            }
        }
        String kept = fullest.name();
        List<String> others = copies.stream()
                .map(Listed::name)
                .filter(name -> !name.equals(kept))
                .toList();
        return Listed.of(kept, fullest.header(), fullest.isHeaderBroken(), others);
    }

    /** The first appended sequence, from a segment's name; {@code Long.MAX_VALUE} if a log gives no such name. */
    static long sequenceIn(String name) {
        int from = name.lastIndexOf('-') + 1;
        int to = name.indexOf('.', from);
        try {
            return to < 0 ? Long.MAX_VALUE : Long.parseLong(name.substring(from, to));
        } catch (NumberFormatException e) {
            return Long.MAX_VALUE;
        }
    }

    /**
     * Whether a file was opened after a segment, by its name: sequences in names never go down. Names of one sequence differ in the
     * day, which may be wrong; then only the one that the segment goes on from is known to be older.
     */
    private static boolean isLater(String name, Listed than) {
        long sequence = sequenceIn(name);
        long next = than.header().next();
        return sequence > next
                || (sequence == next
                        && !name.startsWith(than.header().previous())); // compressing and rotating add to a name
    }

    /** A name for what is set aside of a segment; never one that is taken. */
    static String freeBrokenName(FileOps files, Path directory, String segment) throws IOException {
        List<String> taken = files.list(directory);
        String name = segment + BROKEN;
        for (int n = 2; taken.contains(name); n++) {
            name = segment + BROKEN + "." + n;
        }
        return name;
    }

    /**
     * What is lost behind the end of the newest segment, where the log goes on from {@code expected}: records in a file whose
     * header is broken. (Before it, they show as a gap.)
     */
    @Nullable
    Damage lostBehind(long expected) {
        Damage last = null;
        for (Damage damage : headless) {
            boolean later = segments.isEmpty() || isLater(damage.segment(), segments.get(segments.size() - 1));
            if (later && damage.lastMissing() >= expected) {
                last = last == null || damage.lastMissing() > last.lastMissing() ? damage : last;
            }
        }
        return last == null ? null : new Damage(last.segment(), 0, expected, last.lastMissing());
    }

    /** The first sequence that the files tell of, whole, broken or given up; 1 if there are none. */
    long firstKnown() {
        long first =
                segments.isEmpty() ? Long.MAX_VALUE : segments.get(0).header().first();
        for (Damage damage : headless) {
            first = Math.min(first, damage.firstMissing());
        }
        return first == Long.MAX_VALUE ? 1 : losses.beginOf(first);
    }

    /** What is lost between {@code expected} and the first sequence of a segment, named by the broken file if there is one. */
    Damage lostBefore(int index, long expected, long first) {
        for (Damage damage : headless) {
            if (damage.firstMissing() < first && damage.lastMissing() >= expected) {
                return new Damage(damage.segment(), 0, expected, first - 1);
            }
        }
        return absentBefore(index, expected, first - 1);
    }

    /** Whether the segment that goes on from this one is not there: what comes behind was opened after another one. */
    boolean isSuccessorAbsent(int index) {
        if (index + 1 == segments.size()) {
            return absentNewest != null;
        }
        return segments.get(index + 1).goesOnFrom() != index;
    }

    /**
     * The segment that a segment continues, if that is missing although an older one is there; null if it is not. Records that were
     * refused in the older one may have the sequences of records that were answered in the missing one, so that no gap shows it.
     */
    @Nullable
    Damage missingBefore(int index) {
        Listed behind = segments.get(index);
        String previousId = behind.header().previousId();
        if (index == 0
                || behind.goesOnFrom() >= 0
                || previousId.equals(SegmentHeader.NO_ID)
                || previousId.equals(segments.get(index - 1).header().previousId())) {
            return null; // the last: it replaced a segment that another program had renamed
        }
        String name = behind.header().previous();
        Listed before = segments.get(index - 1);
        if (behind.header().ordinal() - before.header().ordinal() == 2
                && behind.header().first() <= sequenceIn(name)) {
            return null; // only that one is missing, and this one repeats all that was appended to it
        }
        boolean isBroken = headless.stream().anyMatch(damage -> damage.segment().startsWith(name));
        return isBroken || losses.names(name)
                ? null
                : Damage.ofUnknown(Damage.Kind.ABSENT, name, behind.header().first());
    }

    /** What is lost before a segment, with files that are not there. */
    Damage absentBefore(int index, long first, long last) {
        if (index == segments.size()) {
            return absentAtEnd(first, last);
        }
        Listed behind = segments.get(index);
        String previous = behind.header().previous();
        String name = behind.goesOnFrom() < 0 && previous.endsWith(SUFFIX) ? previous : patternFrom(first);
        return new Damage(Damage.Kind.ABSENT, name, 0, first, last);
    }

    /** What is lost behind all segments, with files that are not there. */
    Damage absentAtEnd(long first, long last) {
        return new Damage(Damage.Kind.ABSENT, absentNewest == null ? patternFrom(first) : absentNewest, 0, first, last);
    }

    /** What the name of a file is like that began with {@code first}, or with a record that it repeated. */
    private String patternFrom(long first) {
        boolean taken = segments.stream().anyMatch(listed -> sequenceIn(listed.name()) == first);
        return taken ? prefix + "-*" + SUFFIX : "%s-*-%016d%s".formatted(prefix, first, SUFFIX);
    }

    /** The first sequence that went to a later file whose header is broken. */
    private static long lostFrom(List<Damage> headless, Listed listed) {
        return headless.stream()
                .filter(damage -> isLater(damage.segment(), listed))
                .mapToLong(Damage::firstMissing)
                .filter(first -> first > listed.header().next())
                .min()
                .orElse(Long.MAX_VALUE);
    }

    /** Whether records at the end of a segment don't count because they went to a later file whose header is broken. */
    boolean isCutByHeadless(int index) {
        Listed listed = segments.get(index);
        return listed.countedEnd() < Long.MAX_VALUE && lostFrom(headless, listed) == listed.countedEnd();
    }

    /** The files with a broken header in which records stand, and what is lost with each. */
    List<Damage> headless() {
        return headless;
    }

    /** The id of the log; {@link SegmentHeader#NO_ID} if it has none yet. */
    String logId() {
        return logId;
    }

    /** Whether the id is in its file. */
    boolean isIdKept() {
        return isIdKept;
    }

    /** The files with segments of other logs; no record of them counts. */
    List<String> foreign() {
        return foreign;
    }

    /** The files whose header is damaged, and was read from what is left of it. */
    List<String> brokenHeaders() {
        return segments.stream()
                .filter(Listed::isHeaderBroken)
                .map(Listed::name)
                .toList();
    }

    /** What repairs gave up. */
    DeclaredLosses losses() {
        return losses;
    }

    List<Listed> segments() {
        return segments;
    }

    boolean isEmpty() {
        return segments.isEmpty();
    }

    /** Where a segment stands in the list. */
    int indexOf(String name) {
        for (int i = 0; i < segments.size(); i++) {
            if (segments.get(i).name().equals(name)) {
                return i;
            }
        }
        throw new IllegalArgumentException("no segment of this log: " + name);
    }

    SegmentCursor open(int index) throws IOException {
        Listed listed = segments.get(index);
        SegmentScan scan = SegmentScan.open(files, directory.resolve(listed.name()));
        if (scan == null) {
            throw new NoSuchFileException(
                    directory.resolve(listed.name()).toString(), null, "it is no segment any more since it was listed");
        }
        return new SegmentCursor(scan, listed.header(), listed.countedEnd(), losses);
    }
}
