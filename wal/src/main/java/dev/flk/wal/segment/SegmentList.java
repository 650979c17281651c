// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.RecordFormat.Framed;
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
 * The segments of a directory in the order in which they were opened. A segment is recognised by its header, so that
 * logrotate may rename or compress it. An empty file is not a segment. A file that has the name of a segment, content,
 * and no complete header is damaged.
 */
public final class SegmentList {
    public static final String SUFFIX = ".wal";
    public static final String OPENING = "-opening-";
    public static final String BROKEN = ".broken";
    public static final String GZIP = ".gz";
    public static final String PART = ".part";
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

    /** The name of the active segment, if it is missing from the directory; else null. */
    private final @Nullable String absentNewest;

    /**
     * A segment in the list.
     *
     * @param isHeaderBroken whether the header was salvaged from a damaged record, or derived from the next segment
     * @param countedEnd the first sequence that does not count in this segment any more
     * @param copies other files with the same header that have at most as many complete records, such as one that is
     *     being compressed
     * @param predecessor the index of the segment that this one continues; its own index if it replaced a segment with
     *     its name; -1 if the predecessor is missing
     * @param missingFrom the first sequence that was in the missing predecessor and is in no earlier segment; unused if
     *     the predecessor exists
     */
    public record Listed(
            String name,
            SegmentHeader header,
            boolean isHeaderBroken,
            long countedEnd,
            List<String> copies,
            int predecessor,
            long missingFrom) {
        static Listed of(String name, SegmentHeader header, boolean isHeaderBroken, List<String> copies) {
            return new Listed(name, header, isHeaderBroken, Long.MAX_VALUE, copies, -1, Long.MAX_VALUE);
        }

        /** Returns a scan of the file; null if it is not a segment any more. */
        @Nullable
        SegmentScan scan(FileOps files, Path directory) throws IOException {
            return SegmentScan.open(files, directory.resolve(name), isHeaderBroken ? header : null);
        }

        Listed endingAt(long end) {
            return new Listed(name, header, isHeaderBroken, end, copies, predecessor, missingFrom);
        }

        Listed continuing(int index) {
            SegmentHeader counted = isHeaderBroken ? header.withoutGaps() : header;
            return new Listed(name, counted, isHeaderBroken, countedEnd, copies, index, Long.MAX_VALUE);
        }

        Listed withoutPredecessor(long first) {
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

    /** Reads the headers of all segments; repeats this while files are being renamed, so that no segment is missed. */
    public static SegmentList read(FileOps files, Path directory, String prefix) throws IOException {
        List<String> names = files.list(directory);
        for (int attempt = 1; ; attempt++) {
            SegmentList list = read(files, directory, prefix, names);
            List<String> after = files.list(directory);
            if (segmentNames(after, prefix).equals(segmentNames(names, prefix))) {
                return list;
            }
            if (attempt == ATTEMPTS) {
                throw new IOException(
                        "the files in " + directory + " are being renamed faster than they can be listed");
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
        List<String> withoutHeader = new ArrayList<>();
        for (String name : names) {
            // an empty file is not a segment, and may belong to another user
            if (isSegmentName(name, prefix)
                    && files.status(directory.resolve(name))
                            .filter(status -> status.bytes() > 0)
                            .isPresent()) {
                try (SegmentScan scan = SegmentScan.open(files, directory.resolve(name))) {
                    if (scan != null) {
                        SegmentHeader header = scan.header();
                        byId.computeIfAbsent(header.id() + " " + header.ordinal(), id -> new ArrayList<>())
                                .add(Listed.of(name, header, scan.isHeaderBroken(), List.of()));
                    } else {
                        withoutHeader.add(name);
                    }
                }
            }
        }
        Optional<String> keptId = LogId.read(files, directory, prefix, names);
        String logId = keptId.isPresent() ? keptId.get() : commonId(directory, prefix, byId.values());
        List<Damage> headless = new ArrayList<>();
        for (String name : withoutHeader) {
            Path file = directory.resolve(name);
            SegmentHeader derived = derivedHeader(name, logId, byId.values());
            try (SegmentScan scan = derived == null ? null : SegmentScan.open(files, file, derived)) {
                Damage lost = scan == null && isOurName(name) ? SegmentScan.lostWithHeader(files, file) : null;
                if (derived != null && scan != null) {
                    byId.put(derived.id(), List.of(Listed.of(name, derived, true, List.of())));
                } else if (lost != null) {
                    headless.add(lost);
                }
            }
        }
        List<List<Listed>> ours = new ArrayList<>();
        List<String> foreign = new ArrayList<>();
        for (List<Listed> copies : byId.values()) {
            if (isOfAnotherLog(copies.get(0).header(), logId, byId.values())) {
                copies.forEach(copy -> foreign.add(copy.name()));
            } else {
                ours.add(copies);
            }
        }
        if (!foreign.isEmpty() && foreign.size() >= ours.size() + headless.size()) {
            throw new IOException(directory.resolve(LogId.file(prefix)) + " contains the id of log " + logId
                    + ", but at least half of the segments are of other logs: " + String.join(", ", foreign)
                    + ". If this file is the wrong one, restore or delete it: without it, the id is read from the"
                    + " segments. Otherwise move the segments away");
        }
        DeclaredLosses losses = DeclaredLosses.read(files, directory, prefix, names, logId);
        List<Listed> found = new ArrayList<>();
        for (List<Listed> copies : ours) {
            found.add(fullest(files, directory, copies));
        }
        found.sort(Comparator.comparingLong(listed -> listed.header().ordinal()));
        requireOneLogOfFormat1(directory, found);
        for (int i = 0; i < found.size(); i++) {
            found.set(i, withPredecessor(files, directory, found, i, losses));
        }
        List<Damage> strays = new ArrayList<>();
        for (Damage damage : headless) {
            if (isRepeated(found, damage.segment())
                    || isWithin(files, directory, found, sequenceIn(damage.segment()))) {
                strays.add(damage);
            }
        }
        headless.removeAll(strays);
        if (!found.isEmpty() && found.get(found.size() - 1).isHeaderBroken()) {
            addIfRecordsMayBeLost(files, directory, found.get(found.size() - 1), headless);
        }
        long countedEnd = Long.MAX_VALUE;
        for (int i = found.size() - 1; i >= 0; i--) {
            Listed listed = found.get(i);
            found.set(i, listed.endingAt(Math.min(countedEnd, lostFrom(headless, listed))));
            countedEnd = Math.min(Math.min(countedEnd, listed.header().first()), missingFrom(listed));
        }
        return new SegmentList(
                directory, files, prefix, logId, keptId.isPresent(), found, foreign, headless, losses, null);
    }

    /**
     * Returns a header for a file whose own is lost, derived from the segment that continues it, which has the id that
     * seeds the checksums; the name has the first sequence. Returns null if no segment of this log continues the file,
     * if another file has the id, or if the context of its records is not certain: a next segment that repeats records
     * has it with them, and one that was opened directly after this one has the same context, because the same process
     * opened both.
     */
    private static @Nullable SegmentHeader derivedHeader(String name, String logId, Collection<List<Listed>> found) {
        String opened = openedName(name);
        List<Listed> ours = found.stream()
                .map(copies -> copies.get(0))
                .filter(listed -> !isOfAnotherLog(listed.header(), logId, found))
                .sorted(Comparator.comparingLong(listed -> listed.header().ordinal()))
                .toList();
        SegmentHeader next = ours.stream()
                .map(Listed::header)
                .filter(header ->
                        header.previous().equals(opened) && !header.previousId().equals(SegmentHeader.NO_ID))
                .findFirst()
                .orElse(null);
        if (next == null
                || ours.stream().anyMatch(listed -> listed.header().id().equals(next.previousId()))) {
            return null;
        }
        Listed before = ours.stream()
                .filter(listed -> listed.header().ordinal() < next.ordinal())
                .reduce((older, newer) -> newer)
                .orElse(null);
        List<LogRecord> repeated = next.carried();
        long ordinalBefore = before == null ? 0 : before.header().ordinal();
        if (repeated.isEmpty() && next.ordinal() - ordinalBefore != 2) {
            return null; // an empty segment may have been between the two, and the policy may have changed
        }
        return new SegmentHeader(
                next.previousId(),
                next.logId(),
                next.ordinal() - 1,
                sequenceIn(opened),
                sequenceIn(opened),
                before == null ? "-" : openedName(before.name()),
                0,
                SegmentHeader.NO_ID,
                repeated.isEmpty()
                        ? next.context()
                        : repeated.get(repeated.size() - 1).context(),
                next.openedMillis(),
                List.of());
    }

    /**
     * Adds the newest segment, whose header is damaged, if records may have been lost with it. No records are lost if a
     * complete one follows the header, or if the file still ends with its header, possibly followed by zeros.
     */
    private static void addIfRecordsMayBeLost(FileOps files, Path directory, Listed newest, List<Damage> headless)
            throws IOException {
        Path file = directory.resolve(newest.name());
        try (SegmentScan scan = SegmentScan.open(files, file)) {
            boolean isEmpty = scan != null && scan.endsWithHeader();
            Damage lost = scan == null || (!isEmpty && scan.nextWhole() == null)
                    ? SegmentScan.lostWithHeader(files, file)
                    : null;
            if (lost != null) {
                headless.add(lost);
            }
        }
    }

    /** Returns whether the segment that continues a file repeats all records that were appended to the file. */
    private static boolean isRepeated(List<Listed> found, String name) {
        for (int i = 0; i < found.size(); i++) {
            SegmentHeader header = found.get(i).header();
            if (header.previous().equals(openedName(name))
                    && header.first() <= sequenceIn(name)
                    && (i == 0 || header.ordinal() - found.get(i - 1).header().ordinal() == 2)) {
                return true;
            }
        }
        return false;
    }

    /**
     * Returns whether the readable segments follow each other without a gap at {@code sequence}, so that no segment with
     * records that count is missing there. In the newest segment, a record may have been refused unless a later group
     * follows it.
     */
    private static boolean isWithin(FileOps files, Path directory, List<Listed> found, long sequence)
            throws IOException {
        for (int i = 0; i + 1 < found.size(); i++) {
            Listed next = found.get(i + 1);
            if (next.predecessor() == i
                    && found.get(i).header().next() <= sequence
                    && sequence < next.header().next()) {
                return true;
            }
        }
        Listed newest = found.isEmpty() ? null : found.get(found.size() - 1);
        if (newest == null || sequence < newest.header().next()) {
            return false;
        }
        try (SegmentScan scan = newest.scan(files, directory)) {
            for (Framed record = scan == null ? null : scan.nextWhole();
                    scan != null && record != null;
                    record = scan.nextWhole()) {
                if (record.group() > sequence) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Returns the log id of the segments; {@link SegmentHeader#NO_ID} if none of them has one. Throws if they differ. */
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
            throw new IOException(directory + " contains segments of several logs, and " + LogId.file(prefix)
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

    /** Rejects two segments of format 1 with one ordinal: they have no log id, and one log does not write both. */
    private static void requireOneLogOfFormat1(Path directory, List<Listed> sorted) throws IOException {
        for (int i = 1; i < sorted.size(); i++) {
            Listed one = sorted.get(i - 1);
            Listed other = sorted.get(i);
            if (one.header().ordinal() == other.header().ordinal()
                    && one.header().logId().equals(SegmentHeader.NO_ID)
                    && other.header().logId().equals(SegmentHeader.NO_ID)) {
                throw new IOException(
                        directory + " contains segments of two logs: " + one.name() + " and " + other.name()
                                + " both have the ordinal " + one.header().ordinal()
                                + ". Move the segments of the other log away");
            }
        }
    }

    /** Returns whether a segment belongs to another log. Segments of format 1 have no log id and are older than all others of their log. */
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

    /**
     * Returns this list for a caller that knows the active segment, even if that is missing: its records do not count
     * in other segments.
     */
    public SegmentList endingWith(String name, SegmentHeader newest) {
        String id = newest.id();
        if (segments.stream().anyMatch(listed -> listed.header().id().equals(id))) {
            return this;
        }
        List<Listed> before = new ArrayList<>();
        for (Listed listed : segments) {
            before.add(listed.endingAt(Math.min(listed.countedEnd(), newest.next())));
        }
        return new SegmentList(directory, files, prefix, logId, isIdKept, before, foreign, headless, losses, name);
    }

    /** Returns the first sequence that was in the missing predecessor; {@code Long.MAX_VALUE} if the predecessor exists. */
    private static long missingFrom(Listed listed) {
        return listed.predecessor() < 0 ? listed.missingFrom() : Long.MAX_VALUE;
    }

    /**
     * Returns the segment with the index of its predecessor. Compression and rotation add to the predecessor's name. A
     * segment that was rotated before it contained an acknowledged record shares its name with the segment that
     * replaced it; if the replacement is missing, the rotated one ends too early to be the predecessor.
     */
    private static Listed withPredecessor(
            FileOps files, Path directory, List<Listed> found, int index, DeclaredLosses losses) throws IOException {
        Listed next = found.get(index);
        String previous = next.header().previous();
        long missingFrom = previous.endsWith(SUFFIX) ? sequenceIn(previous) : Long.MAX_VALUE;
        if (!next.header().previousId().equals(SegmentHeader.NO_ID)) {
            for (int i = index - 1; i >= 0; i--) {
                if (found.get(i).header().id().equals(next.header().previousId())) {
                    return next.continuing(i);
                }
            }
            return next.withoutPredecessor(missingFrom);
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
                        ? next.continuing(i)
                        : next.withoutPredecessor(Math.max(end, missingFrom));
            }
        }
        return next.withoutPredecessor(missingFrom);
    }

    /**
     * Returns the sequence after the last complete record of a segment. If the next segment continues it at an offset
     * where no record ends, its records were refused and it returns the sequence before them: the acknowledged records
     * were in a segment that is missing.
     */
    private static long endOf(FileOps files, Path directory, Listed listed, SegmentHeader next) throws IOException {
        long none = listed.header().next();
        try (SegmentScan scan = listed.scan(files, directory)) {
            if (scan == null) {
                return none;
            }
            long end = none;
            long continuedAt = end == next.first() ? scan.firstOffset() : 0;
            for (Framed record = scan.nextWhole(); record != null; record = scan.nextWhole()) {
                end = Math.max(end, record.sequence() + 1);
                continuedAt = record.sequence() + 1 == next.first() ? scan.offset() : continuedAt;
            }
            return next.previousEnd() == 0 || next.previousEnd() == continuedAt ? end : none;
        }
    }

    /** Returns whether a file with this name may be a segment; only its header decides. */
    public static boolean isSegmentName(String name, String prefix) {
        return name.startsWith(prefix + "-") && name.contains(SUFFIX) && !name.contains(BROKEN) && !name.endsWith(PART);
    }

    /** Returns whether the log itself gives such a name. */
    private static boolean isOurName(String name) {
        return name.endsWith(SUFFIX) || name.endsWith(SUFFIX + GZIP);
    }

    /** Returns the name under which a segment was opened, without suffixes that were added later. */
    public static String openedName(String name) {
        int suffix = name.indexOf(SUFFIX);
        return suffix < 0 ? name : name.substring(0, suffix + SUFFIX.length());
    }

    /**
     * Among files with the same header, returns the one with the most complete records; the others may be partly
     * compressed or truncated.
     */
    private static Listed fullest(FileOps files, Path directory, List<Listed> copies) throws IOException {
        Listed fullest = copies.get(0);
        long most = -1;
        for (Listed copy : copies.size() == 1 ? List.<Listed>of() : copies) {
            try (SegmentScan scan = copy.scan(files, directory)) {
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

    /** Returns the first appended sequence according to a segment's name; {@code Long.MAX_VALUE} if it is not a segment's name. */
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
     * Returns whether a file was opened after a segment, according to its name. Sequences in names never decrease.
     * Names with the same sequence differ in the day, which may be wrong; then only the segment's predecessor is known
     * to be older.
     */
    private static boolean isLater(String name, Listed than) {
        long sequence = sequenceIn(name);
        long next = than.header().next();
        return sequence > next
                || (sequence == next
                        && !name.startsWith(than.header().previous())); // compression and rotation add to a name
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
     * Returns the records after the newest segment that are lost in a file with a broken header, or null. (Losses before the
     * newest segment show as a gap.)
     *
     * @param expected the sequence at which the log continues
     */
    @Nullable
    public Damage lostBehind(long expected) {
        Damage last = null;
        for (Damage damage : headless) {
            boolean later = segments.isEmpty() || isLater(damage.segment(), segments.get(segments.size() - 1));
            if (later && damage.lastMissing() >= expected) {
                last = last == null || damage.lastMissing() > last.lastMissing() ? damage : last;
            }
        }
        return last == null ? null : new Damage(last.segment(), 0, expected, last.lastMissing());
    }

    /** Returns the first sequence of which a file gives evidence, whether complete, broken or given up; 1 if there are no files. */
    public long firstKnown() {
        long first =
                segments.isEmpty() ? Long.MAX_VALUE : segments.get(0).header().first();
        for (Damage damage : headless) {
            first = Math.min(first, damage.firstMissing());
        }
        return first == Long.MAX_VALUE ? 1 : losses.beginOf(first);
    }

    /**
     * Returns the records that are lost between {@code expected} and the first sequence of a segment; names the broken
     * file, if there is one.
     */
    Damage lostBefore(int index, long expected, long first) {
        for (Damage damage : headless) {
            if (damage.firstMissing() < first && damage.lastMissing() >= expected) {
                return new Damage(damage.segment(), 0, expected, first - 1);
            }
        }
        return absentBefore(index, expected, first - 1);
    }

    /**
     * Returns damage at the end of a segment. If nothing follows its last record and the segment that continued it is
     * missing or has no header, the damage is attributed to that one.
     */
    public Damage damageAtEnd(int index, SegmentCursor cursor, Damage damage) throws IOException {
        if (isSuccessorAbsent(index)) {
            return absentBefore(index + 1, damage.firstMissing(), damage.lastMissing());
        }
        if (isCutByHeadless(index) && cursor.endsClean()) {
            return headless.stream()
                    .filter(lost -> lost.firstMissing() == segments.get(index).countedEnd())
                    .findFirst()
                    .orElseThrow()
                    .withMissing(damage.firstMissing(), damage.lastMissing());
        }
        return damage;
    }

    /** Returns whether the segment that continues this one is missing. */
    public boolean isSuccessorAbsent(int index) {
        if (index + 1 == segments.size()) {
            return absentNewest != null;
        }
        return segments.get(index + 1).predecessor() != index;
    }

    /**
     * Returns the damage if the predecessor of a segment is missing although an older segment exists; else null.
     * Records that were refused in the older segment may have the same sequences as records that were acknowledged in
     * the missing one, so that there is no gap.
     */
    @Nullable
    Damage missingBefore(int index) {
        Listed next = segments.get(index);
        String previousId = next.header().previousId();
        if (index == 0
                || next.predecessor() >= 0
                || previousId.equals(SegmentHeader.NO_ID)
                || previousId.equals(segments.get(index - 1).header().previousId())) {
            return null; // in the last case, it replaced a segment that another program had renamed
        }
        String name = next.header().previous();
        Listed before = segments.get(index - 1);
        if (next.header().ordinal() - before.header().ordinal() == 2
                && next.header().first() <= sequenceIn(name)) {
            return null; // only the predecessor is missing, and this segment repeats all records that were appended to
            // it
        }
        boolean isBroken = headless.stream().anyMatch(damage -> damage.segment().startsWith(name));
        return isBroken || losses.names(name)
                ? null
                : Damage.ofUnknown(Damage.Kind.ABSENT, name, next.header().first());
    }

    /** Returns the records that are lost before a segment because files are missing. */
    public Damage absentBefore(int index, long first, long last) {
        if (index == segments.size()) {
            return absentAtEnd(first, last);
        }
        Listed next = segments.get(index);
        String previous = next.header().previous();
        String name = next.predecessor() < 0 && previous.endsWith(SUFFIX) ? previous : patternFrom(first);
        return new Damage(Damage.Kind.ABSENT, name, 0, first, last);
    }

    /** Returns the records that are lost after the last segment because files are missing. */
    public Damage absentAtEnd(long first, long last) {
        return new Damage(Damage.Kind.ABSENT, absentNewest == null ? patternFrom(first) : absentNewest, 0, first, last);
    }

    /** Returns a pattern for the name of the missing file that contained {@code first}. */
    private String patternFrom(long first) {
        boolean taken = segments.stream().anyMatch(listed -> sequenceIn(listed.name()) == first);
        return taken ? prefix + "-*" + SUFFIX : "%s-*-%016d%s".formatted(prefix, first, SUFFIX);
    }

    /** Returns the first sequence that was appended to a later file with a broken header. */
    private static long lostFrom(List<Damage> headless, Listed listed) {
        return headless.stream()
                .filter(damage -> isLater(damage.segment(), listed))
                .mapToLong(Damage::firstMissing)
                .filter(first -> first > listed.header().next())
                .min()
                .orElse(Long.MAX_VALUE);
    }

    /** Returns whether records at the end of a segment do not count because a later file with a broken header had them. */
    public boolean isCutByHeadless(int index) {
        Listed listed = segments.get(index);
        return listed.countedEnd() < Long.MAX_VALUE && lostFrom(headless, listed) == listed.countedEnd();
    }

    /** Returns the files without a readable header that contain records, with the records that are lost in each. */
    public List<Damage> headless() {
        return headless;
    }

    /** Returns the id of the log; {@link SegmentHeader#NO_ID} if it has none yet. */
    public String logId() {
        return logId;
    }

    /** Returns whether the id was read from its file. */
    public boolean isIdKept() {
        return isIdKept;
    }

    /** Returns the names of files that are segments of other logs; their records do not count. */
    public List<String> foreign() {
        return foreign;
    }

    /** Returns the names of segments whose damaged header was salvaged. */
    public List<String> brokenHeaders() {
        return segments.stream()
                .filter(Listed::isHeaderBroken)
                .map(Listed::name)
                .toList();
    }

    /** Returns the losses that repairs declared. */
    public DeclaredLosses losses() {
        return losses;
    }

    public List<Listed> segments() {
        return segments;
    }

    public boolean isEmpty() {
        return segments.isEmpty();
    }

    /** Returns the index of a segment. */
    public int indexOf(String name) {
        for (int i = 0; i < segments.size(); i++) {
            if (segments.get(i).name().equals(name)) {
                return i;
            }
        }
        throw new IllegalArgumentException("not a segment of this log: " + name);
    }

    public SegmentCursor open(int index) throws IOException {
        Listed listed = segments.get(index);
        SegmentScan scan = listed.scan(files, directory);
        if (scan == null) {
            throw new NoSuchFileException(
                    directory.resolve(listed.name()).toString(),
                    null,
                    "the file was a segment when it was listed, and is not one any more");
        }
        return new SegmentCursor(scan, listed.header(), listed.countedEnd(), losses);
    }
}
