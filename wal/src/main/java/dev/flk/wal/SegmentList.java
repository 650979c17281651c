// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The segments of a directory in the order in which they were opened. A file without a whole header is no segment, wherever
 * it stands; but one with a segment's name, or with records in it, had one: that is damage.
 */
final class SegmentList {
    static final String SUFFIX = ".wal";
    static final String OPENING = "-opening-";
    static final String BROKEN = ".broken";

    private final Path directory;
    private final FileOps files;
    private final List<Listed> segments;
    private final List<Damage> headless;
    private final DeclaredLosses losses;
    private final String prefix;

    /** The newest segment, if it is known and not there. */
    private final @Nullable String absentNewest;

    /** A segment's name and header; records with a sequence from {@code countedEnd} on don't count in it. */
    record Listed(String name, SegmentHeader header, long countedEnd) {}

    private SegmentList(
            Path directory,
            FileOps files,
            String prefix,
            List<Listed> segments,
            List<Damage> headless,
            DeclaredLosses losses,
            @Nullable String absentNewest) {
        this.directory = directory;
        this.files = files;
        this.prefix = prefix;
        this.segments = segments;
        this.headless = headless;
        this.losses = losses;
        this.absentNewest = absentNewest;
    }

    /** Reads the headers of all segments. */
    static SegmentList read(FileOps files, Path directory, String prefix) throws IOException {
        List<Listed> found = new ArrayList<>();
        List<Damage> headless = new ArrayList<>();
        List<String> names = files.list(directory);
        for (String name : names) {
            if (isSegment(name, prefix, names)) {
                try (SegmentScan scan = SegmentScan.open(files, directory.resolve(name))) {
                    Damage lost = scan == null ? SegmentScan.lostWithHeader(files, directory.resolve(name)) : null;
                    if (scan != null) {
                        found.add(new Listed(name, scan.header(), Long.MAX_VALUE));
                    } else if (lost != null) {
                        headless.add(lost);
                    }
                }
            }
        }
        found.sort(Comparator.comparingLong(listed -> listed.header().ordinal()));
        long countedEnd = Long.MAX_VALUE;
        for (int i = found.size() - 1; i >= 0; i--) {
            Listed listed = found.get(i);
            found.set(i, new Listed(listed.name(), listed.header(), Math.min(countedEnd, lostFrom(headless, listed))));
            countedEnd = Math.min(Math.min(countedEnd, listed.header().first()), absentFrom(found, listed));
        }
        return new SegmentList(
                directory, files, prefix, found, headless, DeclaredLosses.read(files, directory, prefix, names), null);
    }

    /** The same for who knows that this is the newest, whether it is there or not: what it holds does not count elsewhere. */
    SegmentList endingWith(Segment newest) {
        String id = newest.header().id();
        if (segments.stream().anyMatch(listed -> listed.header().id().equals(id))) {
            return this;
        }
        List<Listed> before = new ArrayList<>();
        for (Listed listed : segments) {
            long countedEnd = Math.min(listed.countedEnd(), newest.header().next());
            before.add(new Listed(listed.name(), listed.header(), countedEnd));
        }
        return new SegmentList(directory, files, prefix, before, headless, losses, newest.name());
    }

    /** The first sequence that was appended to the segment that this one goes on from, if that is not there. */
    private static long absentFrom(List<Listed> found, Listed listed) {
        String previous = listed.header().previous();
        boolean absent = found.stream().noneMatch(other -> other.name().startsWith(previous));
        return absent && previous.endsWith(SUFFIX) ? sequenceIn(previous) : Long.MAX_VALUE;
    }

    /** A compressed segment counts only once the other one is gone; until then it may be half a crash's work. */
    private static boolean isSegment(String name, String prefix, List<String> names) {
        if (!name.startsWith(prefix + "-")) {
            return false;
        }
        String compressed = SUFFIX + Retention.GZIP;
        return name.endsWith(SUFFIX)
                || (name.endsWith(compressed)
                        && !names.contains(name.substring(0, name.length() - Retention.GZIP.length())));
    }

    /** The first appended sequence, from a segment's name; the highest there is where nobody of ours gave it that name. */
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
                || (sequence == next && !name.startsWith(than.header().previous())); // compressing adds to a name
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
        return !segments.get(index)
                .name()
                .startsWith(segments.get(index + 1).header().previous()); // compressing adds to a name
    }

    /** What is lost before a segment, with files that are not there. */
    Damage absentBefore(int index, long first, long last) {
        if (index == segments.size()) {
            return absentAtEnd(first, last);
        }
        Listed behind = segments.get(index);
        String previous = behind.header().previous();
        boolean named = segments.stream().noneMatch(listed -> listed.name().startsWith(previous));
        String name = named && previous.endsWith(SUFFIX) ? previous : patternFrom(first);
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
            throw new IOException("segment " + listed.name() + " lost its header while it was being read");
        }
        return new SegmentCursor(scan, listed.countedEnd(), losses);
    }
}
