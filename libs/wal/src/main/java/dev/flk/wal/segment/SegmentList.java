// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.SegmentCursor.Copies;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The segments of a directory in the order in which they were opened. Logrotate may compress a segment or add to its
 * name; the header identifies it. An empty file with the name of a segment is not a segment. A file with content but no
 * readable header may be a damaged segment.
 */
public final class SegmentList {
    private final Path directory;
    private final FileOps files;
    private final List<Listed> segments;
    private final List<Damage> headless;
    private final DeclaredLosses losses;
    private final String prefix;
    private final String logId;
    private final boolean isIdKept;
    private final List<String> foreign;

    /** The files without a readable header. The readable segments show that no record of these files is lost. */
    private final List<String> strays;

    /** The name of the active segment, if it is missing from the directory; else null. */
    private final @Nullable String absentNewest;

    /**
     * A segment in the list.
     *
     * @param isHeaderBroken whether the header was salvaged from a damaged record, or derived from the next segment
     * @param countedEnd the first sequence that does not count in this segment any more
     * @param copies other files with the same header, such as the unfinished output of a compression
     * @param predecessor the index of the segment that this segment continues; this segment's own index if it replaced
     *     another one with the same name and its header names no predecessor's id; -1 if the predecessor is missing
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

    SegmentList(
            Path directory,
            FileOps files,
            String prefix,
            String logId,
            boolean isIdKept,
            List<Listed> segments,
            List<String> foreign,
            List<String> strays,
            List<Damage> headless,
            DeclaredLosses losses,
            @Nullable String absentNewest) {
        this.directory = directory;
        this.files = files;
        this.prefix = prefix;
        this.logId = logId;
        this.isIdKept = isIdKept;
        this.foreign = foreign;
        this.strays = strays;
        this.segments = segments;
        this.headless = headless;
        this.losses = losses;
        this.absentNewest = absentNewest;
    }

    /** Reads the headers of all segments in a directory. */
    public static SegmentList read(FileOps files, Path directory, String prefix) throws IOException {
        return SegmentListing.read(files, directory, prefix);
    }

    /**
     * Returns this list if it contains the active segment, whose name and header the caller provides. If the active
     * segment is missing from the directory, returns a copy of the list in which the other segments end before the
     * first sequence that was appended to the active segment.
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
        return new SegmentList(
                directory, files, prefix, logId, isIdKept, before, foreign, strays, headless, losses, name);
    }

    /**
     * Returns whether a file was opened after a segment, according to the sequence in the file's name; the day in the
     * name may be wrong. A later file never has a lower sequence than the segment. A file with the same sequence counts
     * as later unless it is the segment's predecessor.
     */
    private static boolean isLater(String name, Listed than) {
        long sequence = SegmentNames.sequenceIn(name);
        long next = than.header().next();
        return sequence > next
                || (sequence == next
                        && !name.startsWith(than.header().previous())); // compression and rotation add to a name
    }

    /**
     * Returns the damage after the newest segment: the range of records that were in files without a readable header.
     * Returns null if no records are known to be lost there. Losses before the newest segment appear as a gap in the
     * sequences instead.
     *
     * @param expected the sequence after the last record of the newest segment, at which the range begins
     */
    @Nullable
    public Damage lostAfterNewest(long expected) {
        Damage last = null;
        for (Damage damage : headless) {
            boolean later = segments.isEmpty() || isLater(damage.segment(), segments.get(segments.size() - 1));
            if (later && damage.lastMissing() >= expected) {
                last = last == null || damage.lastMissing() > last.lastMissing() ? damage : last;
            }
        }
        return last == null ? null : new Damage(last.segment(), 0, expected, last.lastMissing());
    }

    /**
     * Returns the lowest sequence that is known to have existed, whether its record is readable or lost; 1 if the
     * directory contains no segments and no files without a readable header.
     */
    public long firstKnown() {
        long first =
                segments.isEmpty() ? Long.MAX_VALUE : segments.get(0).header().first();
        for (Damage damage : headless) {
            first = Math.min(first, damage.firstMissing());
        }
        return first == Long.MAX_VALUE ? 1 : losses.beginOf(first);
    }

    /**
     * Returns the damage before the segment at {@code index}: the sequences from {@code expected} to {@code first - 1}.
     * The damage names the file without a readable header that contained the records, if there is one.
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
     * Returns the damage at the end of a segment, attributed to the file that lost the records. That file is the next
     * segment if the next segment is missing, or if the next segment has no readable header and this segment ends
     * cleanly. Otherwise, it is this segment.
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

    /** Returns whether the segment that continues the segment at {@code index} is missing. */
    public boolean isSuccessorAbsent(int index) {
        if (index + 1 == segments.size()) {
            return absentNewest != null;
        }
        return segments.get(index + 1).predecessor() != index;
    }

    /**
     * Returns damage if the predecessor of a segment is missing although an older segment exists. Returns null if the
     * id of the predecessor is unknown, or if this segment repeats all records of the predecessor. Also returns null if
     * a repair declared the predecessor lost, or if the predecessor is reported as a file without a readable header. A
     * missing predecessor may leave no gap in the sequences: the older segment may contain refused records with the
     * same sequences as acknowledged records in the predecessor.
     */
    @Nullable
    Damage missingBefore(int index) {
        Listed next = segments.get(index);
        String previousId = next.header().previousId();
        if (index == 0
                || next.predecessor() >= 0
                || previousId.equals(SegmentHeader.NO_ID)
                || previousId.equals(segments.get(index - 1).header().previousId())) {
            // the last condition: if this segment and the older one continue the same segment, this segment replaced
            // the older one, which another program had renamed
            return null;
        }
        String name = next.header().previous();
        Listed before = segments.get(index - 1);
        if (next.header().ordinal() - before.header().ordinal() == 2
                && next.header().first() <= SegmentNames.sequenceIn(name)) {
            return null; // only the predecessor is missing, and this segment repeats all records appended to it
        }
        boolean isBroken = headless.stream().anyMatch(damage -> damage.segment().startsWith(name));
        return isBroken || losses.names(name)
                ? null
                : Damage.ofUnknown(Damage.Kind.ABSENT, name, next.header().first());
    }

    /**
     * Returns damage for the records from {@code first} to {@code last}, which are lost because files before the
     * segment at {@code index} are missing.
     */
    public Damage absentBefore(int index, long first, long last) {
        if (index == segments.size()) {
            return absentAtEnd(first, last);
        }
        Listed next = segments.get(index);
        String previous = next.header().previous();
        String name = next.predecessor() < 0 && previous.endsWith(SegmentNames.SUFFIX) ? previous : patternFrom(first);
        return new Damage(Damage.Kind.ABSENT, name, 0, first, last);
    }

    /**
     * Returns damage for the records from {@code first} to {@code last}, which are lost because files after the last
     * segment are missing.
     */
    public Damage absentAtEnd(long first, long last) {
        return new Damage(Damage.Kind.ABSENT, absentNewest == null ? patternFrom(first) : absentNewest, 0, first, last);
    }

    /** Returns a pattern for the name of the missing file that began with {@code first}. */
    private String patternFrom(long first) {
        boolean taken = segments.stream().anyMatch(listed -> SegmentNames.sequenceIn(listed.name()) == first);
        return taken
                ? prefix + "-*" + SegmentNames.SUFFIX
                : String.format(Locale.ROOT, "%s-*-%016d%s", prefix, first, SegmentNames.SUFFIX);
    }

    /**
     * Returns the lowest sequence that is lost in later files, which were opened after this segment and have no
     * readable header; {@link Long#MAX_VALUE} if there is no such file. Ignores a file whose losses begin at or before
     * {@code next}, the first sequence that was to be appended to this segment.
     */
    static long lostFrom(List<Damage> headless, Listed listed) {
        return headless.stream()
                .filter(damage -> isLater(damage.segment(), listed))
                .mapToLong(Damage::firstMissing)
                .filter(first -> first > listed.header().next())
                .min()
                .orElse(Long.MAX_VALUE);
    }

    /**
     * Returns whether records at the end of a segment do not count because a later file, without a readable header,
     * contained these sequences.
     */
    public boolean isCutByHeadless(int index) {
        Listed listed = segments.get(index);
        return listed.countedEnd() < Long.MAX_VALUE && lostFrom(headless, listed) == listed.countedEnd();
    }

    /**
     * Returns the files without a readable header that may contain lost records, and the newest segment if records may
     * have been lost with its damaged header; each with the range of these records.
     */
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

    /**
     * Returns the names of the files that must leave the log before the oldest segment is removed. Without that
     * segment, these files would be misjudged. Foreign segments could make up half of all segments, which is an error.
     * A stray file could seem to contain lost records, because the records that prove the opposite would be gone. After
     * an older file without a header, the records of the removed segment would be taken for lost.
     */
    public List<String> leavingWithOldest() {
        List<String> leaving = new ArrayList<>(foreign);
        strays.stream()
                .filter(name ->
                        SegmentNames.sequenceIn(name) < segments.get(1).header().first())
                .forEach(leaving::add);
        headless.stream()
                .filter(damage ->
                        damage.lastMissing() < segments.get(0).header().first())
                .forEach(damage -> leaving.add(damage.segment()));
        return leaving;
    }

    /** Returns the names of segments whose damaged header was salvaged or derived. */
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

    /** Returns the index of the segment with this name, which must exist. */
    public int indexOf(String name) {
        for (int i = 0; i < segments.size(); i++) {
            if (segments.get(i).name().equals(name)) {
                return i;
            }
        }
        throw new IllegalArgumentException("not a segment of this log: " + name);
    }

    public SegmentCursor open(int index) throws IOException {
        return open(index, List::of);
    }

    /** Opens a segment of which there are more copies, from which records are taken that the directory lacks. */
    public SegmentCursor open(int index, Copies more) throws IOException {
        Listed listed = segments.get(index);
        SegmentScan scan = listed.scan(files, directory);
        if (scan == null) {
            throw new NoSuchFileException(
                    directory.resolve(listed.name()).toString(),
                    null,
                    "the file was a segment when it was listed, and is not one any more");
        }
        return new SegmentCursor(scan, () -> openCopies(listed, more), listed.header(), listed.countedEnd(), losses);
    }

    private List<SegmentScan> openCopies(Listed listed, Copies more) throws IOException {
        List<SegmentScan> open = new ArrayList<>();
        try {
            for (String copy : listed.copies()) {
                SegmentScan scan = SegmentScan.open(files, directory.resolve(copy), listed.header());
                if (scan != null) {
                    open.add(scan);
                }
            }
            open.addAll(more.open());
        } catch (IOException e) {
            for (SegmentScan scan : open) {
                scan.close();
            }
            throw e;
        }
        return open;
    }
}
