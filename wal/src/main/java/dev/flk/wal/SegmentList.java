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
 * it stands, unless records stand in it: then its header had been forced, and what is in it is damage.
 */
final class SegmentList {
    static final String SUFFIX = ".wal";
    static final String OPENING = "-opening-";

    private final Path directory;
    private final FileOps files;
    private final List<Listed> segments;
    private final List<Damage> headless;

    /** A segment's name and header; records with a sequence from {@code countedEnd} on don't count in it. */
    record Listed(String name, SegmentHeader header, long countedEnd) {}

    private SegmentList(Path directory, FileOps files, List<Listed> segments, List<Damage> headless) {
        this.directory = directory;
        this.files = files;
        this.segments = segments;
        this.headless = headless;
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
            countedEnd = Math.min(countedEnd, listed.header().first());
        }
        return new SegmentList(directory, files, found, headless);
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

    /** The first appended sequence, from a segment's name. */
    static long sequenceIn(String name) {
        String digits = name.substring(name.lastIndexOf('-') + 1, name.indexOf('.'));
        try {
            return Long.parseLong(digits);
        } catch (NumberFormatException e) {
            return Long.MAX_VALUE; // nobody of ours gave it that name
        }
    }

    /** A name for what is set aside of a segment; never one that is taken. */
    static String freeBrokenName(FileOps files, Path directory, String segment) throws IOException {
        List<String> taken = files.list(directory);
        String name = segment + ".broken";
        for (int n = 2; taken.contains(name); n++) {
            name = segment + ".broken." + n;
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
        long first = Long.MAX_VALUE;
        for (Damage damage : headless) {
            if (damage.lastMissing() >= expected) {
                first = Math.min(first, Math.max(expected, damage.firstMissing()));
                last = last == null || damage.lastMissing() > last.lastMissing() ? damage : last;
            }
        }
        return last == null ? null : new Damage(last.segment(), 0, first, last.lastMissing());
    }

    /** The first sequence that the files tell of, whole or broken; 1 if there are none. */
    long firstKnown() {
        long first =
                segments.isEmpty() ? Long.MAX_VALUE : segments.get(0).header().first();
        for (Damage damage : headless) {
            first = Math.min(first, damage.firstMissing());
        }
        return first == Long.MAX_VALUE ? 1 : first;
    }

    /** What is lost between {@code expected} and the first sequence of a segment, named by the broken file if there is one. */
    Damage lostBefore(int index, long expected, long first) {
        for (Damage damage : headless) {
            if (damage.firstMissing() < first && damage.lastMissing() >= expected) {
                return new Damage(damage.segment(), 0, expected, first - 1);
            }
        }
        return new Damage(segments.get(index).name(), 0, expected, first - 1);
    }

    /** The first sequence that went to a later file whose header is broken. */
    private static long lostFrom(List<Damage> headless, Listed listed) {
        return headless.stream()
                .mapToLong(Damage::firstMissing)
                .filter(first -> first > listed.header().next())
                .min()
                .orElse(Long.MAX_VALUE);
    }

    /** The files with a broken header in which records stand, and what is lost with each. */
    List<Damage> headless() {
        return headless;
    }

    List<Listed> segments() {
        return segments;
    }

    boolean isEmpty() {
        return segments.isEmpty();
    }

    SegmentCursor open(int index) throws IOException {
        Listed listed = segments.get(index);
        SegmentScan scan = SegmentScan.open(files, directory.resolve(listed.name()));
        if (scan == null) {
            throw new IOException("segment " + listed.name() + " lost its header while it was being read");
        }
        return new SegmentCursor(scan, listed.countedEnd());
    }
}
