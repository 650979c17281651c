// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.RecordFormat.Framed;
import dev.flk.wal.segment.SegmentList.Listed;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * One listing of a directory. It reads the headers of all files that may be segments, and decides which files form the
 * log, in which order, and which records do not count or are lost. One thread.
 */
final class SegmentListing {
    private static final int ATTEMPTS = 10;

    private final FileOps files;
    private final Path directory;
    private final String prefix;

    /**
     * The files with a readable header, by the id and the ordinal in the header, and the files with a derived header,
     * by the id in it. Copies of a segment have the same header.
     */
    private final Map<String, List<Listed>> byId = new LinkedHashMap<>();

    /** Files that have the name of a segment and content, but no readable header. */
    private final List<String> withoutHeader = new ArrayList<>();

    /**
     * The files without a readable header that may contain lost records, and the newest segment if records may have
     * been lost with its damaged header; each with the range of these records.
     */
    private final List<Damage> headless = new ArrayList<>();

    private final List<String> foreign = new ArrayList<>();

    /** The segments of this log, oldest first. */
    private final List<Listed> found = new ArrayList<>();

    private String logId = SegmentHeader.NO_ID;

    private SegmentListing(FileOps files, Path directory, String prefix) {
        this.files = files;
        this.directory = directory;
        this.prefix = prefix;
    }

    /**
     * Lists a directory; lists it again if the names of the segments changed meanwhile, because a renamed segment could
     * be missed.
     */
    static SegmentList read(FileOps files, Path directory, String prefix) throws IOException {
        List<String> names = files.list(directory);
        for (int attempt = 1; ; attempt++) {
            SegmentList list = new SegmentListing(files, directory, prefix).list(names);
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
        return names.stream()
                .filter(name -> SegmentNames.isSegmentName(name, prefix))
                .toList();
    }

    private SegmentList list(List<String> names) throws IOException {
        readHeaders(names);
        Optional<String> keptId = LogId.read(files, directory, prefix, names);
        logId = keptId.isPresent() ? keptId.get() : commonId();
        deriveHeaders();
        sortOutForeign();
        DeclaredLosses losses = DeclaredLosses.read(files, directory, prefix, names, logId);
        for (int i = 0; i < found.size(); i++) {
            found.set(i, withPredecessor(i, losses));
        }
        List<Damage> strays = new ArrayList<>();
        for (Damage damage : headless) {
            if (isRepeated(damage.segment()) || isWithin(SegmentNames.sequenceIn(damage.segment()))) {
                strays.add(damage);
            }
        }
        headless.removeAll(strays);
        List<String> strayNames = strays.stream().map(Damage::segment).toList();
        if (!found.isEmpty() && found.get(found.size() - 1).isHeaderBroken()) {
            addIfRecordsMayBeLost(found.get(found.size() - 1));
        }
        limitCounted();
        return new SegmentList(
                directory,
                files,
                prefix,
                logId,
                keptId.isPresent(),
                found,
                foreign,
                strayNames,
                headless,
                losses,
                null);
    }

    private void readHeaders(List<String> names) throws IOException {
        for (String name : segmentNames(names, prefix)) {
            if (files.status(directory.resolve(name))
                    .filter(status -> status.bytes() > 0)
                    .isEmpty()) {
                continue; // an empty file is not a segment, and may belong to another user
            }
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

    private void deriveHeaders() throws IOException {
        for (String name : withoutHeader) {
            Path file = directory.resolve(name);
            SegmentHeader derived = derivedHeader(name);
            try (SegmentScan scan = derived == null ? null : SegmentScan.open(files, file, derived)) {
                Damage lost = scan == null ? SegmentScan.lostWithHeader(files, file) : null;
                if (derived != null && scan != null) {
                    byId.put(derived.id(), List.of(Listed.of(name, derived, true, List.of())));
                } else if (lost != null) {
                    headless.add(lost);
                }
            }
        }
    }

    /**
     * Separates the segments of this log from the segments of other logs, and chooses the most complete copy of each
     * segment of this log. Throws if at least half of the segments belong to other logs.
     */
    private void sortOutForeign() throws IOException {
        List<List<Listed>> ours = new ArrayList<>();
        for (List<Listed> copies : byId.values()) {
            if (isOfAnotherLog(copies.get(0).header())) {
                copies.forEach(copy -> foreign.add(copy.name()));
            } else {
                ours.add(copies);
            }
        }
        if (!foreign.isEmpty() && foreign.size() >= ours.size()) {
            throw new IOException(directory.resolve(LogId.file(prefix)) + " contains the id of log " + logId
                    + ", but at least half of the readable segments belong to other logs: "
                    + SegmentNames.some(foreign) + ". If the file with the id is wrong, restore or delete it: without"
                    + " it, the id is read from the segments. Otherwise move these segments away");
        }
        for (List<Listed> copies : ours) {
            found.add(fullest(copies));
        }
        found.sort(Comparator.comparingLong(listed -> listed.header().ordinal()));
    }

    /**
     * Determines, for each segment, the first sequence that no longer counts in the segment. This is the lowest of
     * three sequences: the first sequence of a later segment, the first sequence lost in a later file without a header,
     * and the first sequence of a missing segment.
     */
    private void limitCounted() {
        long countedEnd = Long.MAX_VALUE;
        for (int i = found.size() - 1; i >= 0; i--) {
            Listed listed = found.get(i);
            found.set(i, listed.endingAt(Math.min(countedEnd, SegmentList.lostFrom(headless, listed))));
            countedEnd = Math.min(Math.min(countedEnd, listed.header().first()), missingFrom(listed));
        }
    }

    /**
     * Derives a header for a file whose own header is lost. The id, which seeds the checksums, is in the header of the
     * next segment; the first sequence is in the file's name. The context comes from the last record that the next
     * segment repeats. If the next segment repeats no record, its own context is used, but only if the ordinals show
     * that no other segment was opened between this file and its neighbours. Returns null if there is no next segment,
     * another file has the id, or the context is not certain.
     */
    private @Nullable SegmentHeader derivedHeader(String name) {
        String opened = SegmentNames.openedName(name);
        List<Listed> ours = byId.values().stream()
                .map(copies -> copies.get(0))
                .filter(listed -> !isOfAnotherLog(listed.header()))
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
            // an empty segment with another context may have been opened between the file and the next segment
            return null;
        }
        return new SegmentHeader(
                next.previousId(),
                next.logId(),
                next.ordinal() - 1,
                SegmentNames.sequenceIn(opened),
                SegmentNames.sequenceIn(opened),
                before == null ? "-" : SegmentNames.openedName(before.name()),
                0,
                SegmentHeader.NO_ID,
                repeated.isEmpty()
                        ? next.context()
                        : repeated.get(repeated.size() - 1).context(),
                next.openedMillis(),
                List.of());
    }

    /**
     * Adds the newest segment, whose header is damaged, to {@link #headless} if records may have been lost with the
     * header. No records are lost if the header is followed by a complete record, or by nothing but zeros.
     */
    private void addIfRecordsMayBeLost(Listed newest) throws IOException {
        Path file = directory.resolve(newest.name());
        try (SegmentScan scan = SegmentScan.open(files, file)) {
            boolean isEmpty = scan != null && scan.endsWithHeader();
            Damage lost = scan == null || (!isEmpty && scan.nextComplete() == null)
                    ? SegmentScan.lostWithHeader(files, file)
                    : null;
            if (lost != null) {
                headless.add(lost);
            }
        }
    }

    /** Returns whether the segment that continues a file repeats all records that were appended to the file. */
    private boolean isRepeated(String name) {
        for (int i = 0; i < found.size(); i++) {
            SegmentHeader header = found.get(i).header();
            if (header.previous().equals(SegmentNames.openedName(name))
                    && header.first() <= SegmentNames.sequenceIn(name)
                    && (i == 0 || header.ordinal() - found.get(i - 1).header().ordinal() == 2)) {
                return true;
            }
        }
        return false;
    }

    /**
     * Returns whether the readable segments prove that no missing segment contains the record that counts at {@code
     * sequence}. They prove it if they have no gap at this sequence. At the end of the newest segment, a later group
     * must follow as well: without a later group, the record in the newest segment may have been refused, and a missing
     * segment may contain the record that counts.
     */
    private boolean isWithin(long sequence) throws IOException {
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
            for (Framed record = scan == null ? null : scan.nextComplete();
                    scan != null && record != null;
                    record = scan.nextComplete()) {
                if (record.group() > sequence) {
                    return true;
                }
            }
        }
        return false;
    }

    /**
     * Returns the log id of the segments; {@link SegmentHeader#NO_ID} if there is no segment. Throws if the
     * segments have different log ids.
     */
    private String commonId() throws IOException {
        Map<String, List<String>> names = new TreeMap<>();
        for (List<Listed> copies : byId.values()) {
            for (Listed copy : copies) {
                names.computeIfAbsent(copy.header().logId(), id -> new ArrayList<>())
                        .add(copy.name());
            }
        }
        if (names.size() > 1) {
            throw new IOException(directory + " contains segments of several logs, and " + LogId.file(prefix)
                    + ", which names the right one, is missing or damaged: move the segments of the other logs away."
                    + " Found are "
                    + String.join(
                            "; ",
                            names.entrySet().stream()
                                    .map(entry ->
                                            "log " + entry.getKey() + " with " + SegmentNames.some(entry.getValue()))
                                    .toList()));
        }
        return names.isEmpty() ? SegmentHeader.NO_ID : names.keySet().iterator().next();
    }

    private boolean isOfAnotherLog(SegmentHeader header) {
        return !header.logId().equals(logId);
    }

    /**
     * Returns the first sequence that was in the missing predecessor; {@code Long.MAX_VALUE} if the predecessor exists.
     */
    private static long missingFrom(Listed listed) {
        return listed.predecessor() < 0 ? listed.missingFrom() : Long.MAX_VALUE;
    }

    /**
     * Returns a copy of the listed segment with the index of its predecessor. The predecessor is found by its id or, if
     * the header was {@linkplain #derivedHeader derived}, by the beginning of a name, because compression and rotation
     * append to names. Two segments may have had the same name, if the first was renamed before any of its records was
     * acknowledged. If the second segment is missing, the first one is not taken for the predecessor, because its records
     * end too early.
     */
    private Listed withPredecessor(int index, DeclaredLosses losses) throws IOException {
        Listed next = found.get(index);
        String previous = next.header().previous();
        long missingFrom = previous.endsWith(SegmentNames.SUFFIX) ? SegmentNames.sequenceIn(previous) : Long.MAX_VALUE;
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
                        || SegmentNames.isWrittenByLog(before.name())
                        || before.header().ordinal() == next.header().ordinal() - 1;
                long end = isSure ? Long.MAX_VALUE : endOf(before, next.header());
                long first = next.header().first();
                return end >= first || losses.containsAll(end, first - 1)
                        ? next.continuing(i)
                        : next.withoutPredecessor(Math.max(end, missingFrom));
            }
        }
        return next.withoutPredecessor(missingFrom);
    }

    /**
     * Returns the sequence after the last complete record of a segment. If the records appended to this segment do not
     * count, returns the first sequence that was appended to it. The header of the next segment shows whether they
     * count: it names the offset at which the next segment continues its predecessor. If no record of this segment
     * before {@code next.first()} ends at that offset, the predecessor is another segment, which is missing and
     * contained the acknowledged records; the records of this segment were refused.
     */
    private long endOf(Listed listed, SegmentHeader next) throws IOException {
        long none = listed.header().next();
        try (SegmentScan scan = listed.scan(files, directory)) {
            if (scan == null) {
                return none;
            }
            long end = none;
            long continuedAt = end == next.first() ? scan.firstOffset() : 0;
            for (Framed record = scan.nextComplete(); record != null; record = scan.nextComplete()) {
                end = Math.max(end, record.sequence() + 1);
                continuedAt = record.sequence() + 1 == next.first() ? scan.offset() : continuedAt;
            }
            return next.previousEnd() == 0 || next.previousEnd() == continuedAt ? end : none;
        }
    }

    /**
     * Returns the best of several files with the same header: a file whose own header is intact is preferred, then the
     * file with the greatest number of complete records. The other files may be partly compressed or truncated; a
     * cursor reads from them the records that the returned file lacks.
     */
    private Listed fullest(List<Listed> copies) throws IOException {
        Listed fullest = copies.get(0);
        long most = -1;
        for (Listed copy : copies.size() == 1 ? List.<Listed>of() : copies) {
            try (SegmentScan scan = copy.scan(files, directory)) {
                long whole = scan == null ? -1 : scan.countComplete();
                boolean isBetter = copy.isHeaderBroken() == fullest.isHeaderBroken()
                        ? whole > most
                        : whole >= 0 && fullest.isHeaderBroken();
                if (isBetter) {
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
}
