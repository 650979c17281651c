// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.LogRepair.Repair.NotTaken;
import dev.flk.wal.LogRepair.Repair.SetAside;
import dev.flk.wal.LogRepair.Repair.Taken;
import dev.flk.wal.SegmentArchive.Copy;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.BrokenFiles;
import dev.flk.wal.segment.BrokenFiles.NewFile;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.DeclaredLosses;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.RecordFormat;
import dev.flk.wal.segment.RecordFormat.Framed;
import dev.flk.wal.segment.SegmentBytes;
import dev.flk.wal.segment.SegmentCursor;
import dev.flk.wal.segment.SegmentCursor.Copies;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentList.Listed;
import dev.flk.wal.segment.SegmentNames;
import dev.flk.wal.segment.SegmentScan;
import dev.flk.wal.segment.Vanished;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A repair of a damaged log, after which the log can be opened. Every complete record keeps its sequence and context,
 * and the missing records are declared lost (see {@link DeclaredLosses}). A repair deletes nothing. Each of its steps
 * is on disk before the next one begins:
 *
 * <ol>
 *   <li>If there is an archive, replace each damaged segment by the archived copy, or by the records of both, and put
 *       back missing segments.
 *   <li>Copy every damaged file to a {@code ….broken} file.
 *   <li>Declare all losses in one file. From here on, the log can be opened.
 *   <li>Replace each damaged segment by a segment with only its complete records. Move a file without a readable header
 *       out of the log.
 * </ol>
 *
 * <p>If a repair is interrupted, another run completes it. A torn tail is not damage: the next start sets it aside. One
 * thread.
 */
public final class LogRepair {
    private final FileOps files;
    private final Path directory;
    private final String prefix;
    private final String holder;

    /** @param prefix the prefix of the segments' names (see {@link LogOptions#prefix})
     * @param holder the name of this process in the lock file
     */
    public LogRepair(FileOps files, Path directory, String prefix, String holder) {
        this.files = files;
        this.directory = directory;
        this.prefix = prefix;
        this.holder = holder;
    }

    /** Returns what {@link #run} would do. Takes no lock and changes nothing. */
    public Repair plan() throws IOException {
        return Vanished.retry(() -> {
            SegmentList list = SegmentList.read(files, directory, prefix);
            List<Damage> lost = lost(list);
            Map<String, Long> kept = keptOfDamaged(list, lost);
            lost.addAll(leaving(list, lost));
            List<SetAside> damaged = new ArrayList<>();
            kept.forEach((name, records) -> damaged.add(new SetAside(name, null, records)));
            return new Repair(List.of(), List.of(), lost, null, damaged);
        });
    }

    /**
     * Repairs the log.
     *
     * @throws LogLockedException if a process owns the directory; nothing was changed
     * @throws IOException if the disk fails; nothing was lost, and the repair can be run again
     */
    public Repair run() throws IOException {
        return run(intact -> null);
    }

    /**
     * Repairs the log like {@link #run()}, but first takes records from an archive. A damaged segment is replaced by
     * the archived copy of the same segment if that copy is intact and has all records that are left in the damaged
     * one; otherwise by a segment with the complete records of both. A missing segment is put back if a later segment
     * names it.
     *
     * @param archive null for none
     */
    public Repair run(@Nullable SegmentArchive archive) throws IOException {
        return run(intact -> archive);
    }

    /** Opens an archive for a repair that owns the directory. */
    @FunctionalInterface
    public interface ArchiveSource {
        /**
         * Opens the archive.
         *
         * @param intact the ids of the segments of the log of which the repair needs no copy
         * @return null for none
         */
        @Nullable
        SegmentArchive open(Set<String> intact) throws IOException;
    }

    /** Repairs the log like {@link #run(SegmentArchive)}, but opens the archive only if something is damaged. */
    public Repair run(ArchiveSource source) throws IOException {
        Closeable lock = files.lock(directory.resolve(Log.LOCK_FILE), holder);
        try {
            SegmentArchive archive = plan().isNeeded() ? source.open(intact()) : null;
            return repair(archive == null ? List.of() : takeFrom(archive), archive);
        } finally {
            lock.close();
        }
    }

    private Set<String> intact() throws IOException {
        SegmentList list = SegmentList.read(files, directory, prefix);
        Set<String> damaged = damaged(list);
        return list.segments().stream()
                .filter(listed -> !damaged.contains(listed.name()))
                .map(listed -> listed.header().id())
                .collect(Collectors.toSet());
    }

    /** Returns the names of the segments that are damaged, or lack records at their end. */
    private Set<String> damaged(SegmentList list) throws IOException {
        List<Damage> lost = lost(list);
        Set<String> names = new LinkedHashSet<>(keptOfDamaged(list, lost).keySet());
        lost.forEach(damage -> names.add(damage.segment()));
        names.retainAll(list.segments().stream().map(Listed::name).toList());
        return names;
    }

    /** Returns the ids of the segments of which a repair would need copies, as far as they are known, and their names. */
    public Map<String, String> wanted() throws IOException {
        return Vanished.retry(() -> {
            SegmentList list = SegmentList.read(files, directory, prefix);
            Map<String, String> wanted = new LinkedHashMap<>();
            for (String name : damaged(list)) {
                wanted.put(list.segments().get(list.indexOf(name)).header().id(), name);
            }
            List<Damage> lost = lost(list);
            for (Listed listed : list.segments()) {
                String previous = listed.header().previous();
                if (lost.stream()
                        .anyMatch(damage ->
                                SegmentNames.openedName(damage.segment()).equals(previous))) {
                    wanted.putIfAbsent(listed.header().previousId(), previous);
                }
            }
            return wanted;
        });
    }

    /** Repairs the log; the caller holds the lock. */
    Repair repair() throws IOException {
        return repair(List.of(), null);
    }

    private Repair repair(List<Taken> taken, @Nullable SegmentArchive archive) throws IOException {
        SegmentList list = SegmentList.read(files, directory, prefix);
        List<Damage> lost = lost(list);
        Map<String, Long> damaged = keptOfDamaged(list, lost);
        lost.addAll(leaving(list, lost));
        BrokenFiles broken = new BrokenFiles(files, directory, prefix);
        Map<String, String> copies = new LinkedHashMap<>();
        for (String name : damaged.keySet()) {
            copies.put(name, broken.copy(name));
        }
        String declaredIn = lost.isEmpty() ? null : declare(lost, list.logId());
        List<SetAside> setAside = new ArrayList<>();
        for (Map.Entry<String, String> copy : copies.entrySet()) {
            String name = copy.getKey();
            long kept = damaged.getOrDefault(name, -1L);
            if (kept >= 0) {
                replace(list, name, kept, broken);
            }
            if (kept < 0 || name.endsWith(SegmentNames.GZIP)) {
                // the file itself replaces its copy
                files.move(directory.resolve(name), directory.resolve(copy.getValue()));
                files.forceDirectory(directory);
            }
            setAside.add(new SetAside(name, copy.getValue(), kept));
        }
        return new Repair(
                taken, archive == null ? List.of() : notTaken(archive, list, lost, taken), lost, declaredIn, setAside);
    }

    private static List<NotTaken> notTaken(
            SegmentArchive archive, SegmentList list, List<Damage> lost, List<Taken> taken) {
        List<NotTaken> none = new ArrayList<>();
        for (String name : lost.stream().map(Damage::segment).distinct().toList()) {
            if (taken.stream().noneMatch(each -> each.segment().equals(name))) {
                none.add(new NotTaken(
                        name,
                        list.segments().stream()
                                .anyMatch(listed -> (listed.name().equals(name)
                                                && archive.contains(
                                                        listed.header().id()))
                                        || (SegmentNames.openedName(name)
                                                        .equals(listed.header().previous())
                                                && archive.contains(
                                                        listed.header().previousId())))));
            }
        }
        return none;
    }

    private List<Taken> takeFrom(SegmentArchive archive) throws IOException {
        List<Taken> taken = new ArrayList<>();
        SegmentList list = SegmentList.read(files, directory, prefix);
        for (String name : damaged(list)) {
            takeDamaged(archive, list, name, taken);
        }
        for (Damage headless : SegmentList.read(files, directory, prefix).headless()) {
            String id = archive.idOf(prefix, SegmentNames.openedName(headless.segment()))
                    .orElse(SegmentHeader.NO_ID);
            list = SegmentList.read(files, directory, prefix);
            if (list.segments().stream()
                    .noneMatch(listed -> listed.header().id().equals(id))) {
                boolean unused = takeMissing(archive, list, id, taken);
            }
        }
        for (boolean more = true; more; ) {
            list = SegmentList.read(files, directory, prefix);
            more = false;
            for (int i = 1; i < list.segments().size() && !more; i++) {
                more = list.segments().get(i).predecessor() < 0
                        && takeMissing(
                                archive, list, list.segments().get(i).header().previousId(), taken);
            }
        }
        return taken;
    }

    private void takeDamaged(SegmentArchive archive, SegmentList list, String name, List<Taken> taken)
            throws IOException {
        int index = list.indexOf(name);
        List<Copy> copies =
                archive.copiesOfSegment(list.segments().get(index).header().id());
        Optional<Copy> whole = archive.intact(copies);
        boolean isWhole = whole.isPresent() && containsAll(archive, whole.get(), list, index);
        Optional<Copy> copy = isWhole ? whole : archive.fullest(copies);
        Copies more = () -> archive.open(copies);
        if (copy.isEmpty() || (!isWhole && complete(list, index, more) <= complete(list, index, List::of))) {
            return;
        }
        BrokenFiles broken = new BrokenFiles(files, directory, prefix);
        String aside = broken.copy(name);
        String target = plainName(list, index, broken);
        if (isWhole) {
            write(archive, copy.get(), target);
        } else {
            merge(list, index, more, complete(list, index, more), target);
        }
        if (!target.equals(name)) {
            files.move(directory.resolve(name), directory.resolve(aside));
            files.forceDirectory(directory);
        }
        taken.add(new Taken(target, copy.get().file(), aside));
    }

    private static long complete(SegmentList list, int index, Copies more) throws IOException {
        try (SegmentCursor cursor = list.open(index, more)) {
            CompleteRecords whole = new CompleteRecords(cursor);
            long records = 0;
            while (whole.next() != null) {
                records++;
            }
            return records;
        }
    }

    /** Writes a segment with the complete records of a damaged one and of copies. */
    private void merge(SegmentList list, int index, Copies more, long kept, String target) throws IOException {
        try (SegmentCursor cursor = list.open(index, more)) {
            NewFile.write(files, directory, prefix, target, file -> {
                CompleteRecords.copy(cursor, file);
                requireSame(cursor, file, kept);
            });
        }
    }

    /** Puts back the segment with this id; returns false if the archive has no copy of it. */
    private boolean takeMissing(SegmentArchive archive, SegmentList list, String id, List<Taken> taken)
            throws IOException {
        List<Copy> copies = archive.copiesOfSegment(id);
        Optional<Copy> intact = archive.intact(copies);
        Optional<Copy> copy = intact.isPresent() ? intact : archive.fullest(copies);
        if (copy.isEmpty()) {
            return false;
        }
        SegmentHeader header = copy.get().header();
        String name = SegmentNames.of(prefix, header.next(), header.openedMillis());
        String aside = null;
        if (list.segments().stream().anyMatch(listed -> listed.name().equals(name))) {
            taken.add(new Taken(
                    write(archive, copy.get(), SegmentNames.freeRotatedName(files, directory, name)),
                    copy.get().file(),
                    null));
            return true;
        }
        if (files.status(directory.resolve(name)).isPresent()) {
            aside = new BrokenFiles(files, directory, prefix).copy(name); // its header is broken
        }
        taken.add(new Taken(write(archive, copy.get(), name), copy.get().file(), aside));
        return true;
    }

    private String write(SegmentArchive archive, Copy copy, String name) throws IOException {
        NewFile.write(files, directory, prefix, name, file -> {
            try (OpenFile content = archive.openContent(copy)) {
                BrokenFiles.copy(content, 0, content.size(), file);
            }
        });
        return name;
    }

    /** Returns whether an archived copy has all complete records that were appended to a segment and count. */
    private static boolean containsAll(SegmentArchive archive, Copy copy, SegmentList list, int index)
            throws IOException {
        try (SegmentCursor cursor = list.open(index);
                SegmentScan archived = archive.open(copy)) {
            CompleteRecords whole = new CompleteRecords(cursor);
            for (LogRecord record = whole.next(); record != null; record = whole.next()) {
                Framed other = archived.nextComplete();
                while (other != null && other.sequence() < record.sequence()) {
                    other = archived.nextComplete();
                }
                if (other == null
                        || other.sequence() != record.sequence()
                        || !Arrays.equals(other.body(), record.body())) {
                    return false;
                }
            }
            return true;
        }
    }

    private List<Damage> lost(SegmentList list) throws IOException {
        try (LogReader reader = LogReader.over(list, OnDamage.SKIP)) {
            while (reader.next() != null) {
                // read to the end of the log
            }
            return new ArrayList<>(reader.damages());
        }
    }

    /**
     * Returns declarations for files that the repair moves out of the log although they are not known to contain lost
     * records. Such a file needs a declaration if the header of the next segment names the file: without the
     * declaration, the file would later be reported as missing.
     */
    private static List<Damage> leaving(SegmentList list, List<Damage> lost) {
        return list.headless().stream()
                .filter(damage -> list.segments().stream()
                        .anyMatch(listed -> listed.predecessor() < 0
                                && damage.segment().startsWith(listed.header().previous())))
                .filter(damage ->
                        lost.stream().noneMatch(other -> other.segment().equals(damage.segment())))
                .map(damage -> Damage.ofUnknown(
                        damage.kind(), SegmentNames.openedName(damage.segment()), damage.firstMissing()))
                .toList();
    }

    /**
     * Returns for each damaged file the number of its records that stay in the log; -1 for a file without a readable
     * header. Such a file leaves the log. If this would make more records of an earlier segment count, that segment is
     * treated as damaged too.
     */
    private Map<String, Long> keptOfDamaged(SegmentList list, List<Damage> lost) throws IOException {
        Map<String, Long> kept = new LinkedHashMap<>();
        for (int i = 0; i < list.segments().size(); i++) {
            try (SegmentCursor cursor = list.open(i)) {
                CompleteRecords whole = new CompleteRecords(cursor);
                long records = 0;
                while (whole.next() != null) {
                    records++;
                }
                if (cursor.scan().isHeaderBroken()
                        || whole.hasBadBytes()
                        || (list.isCutByHeadless(i) && wouldCount(cursor.scan(), lost))) {
                    kept.put(list.segments().get(i).name(), records);
                }
            }
        }
        list.headless().forEach(damage -> kept.putIfAbsent(damage.segment(), -1L));
        return kept;
    }

    /**
     * Returns whether a complete record that is not among the lost records follows the last record that counts in a
     * segment. That record would count once the file without a header has left the log.
     */
    private static boolean wouldCount(SegmentScan scan, List<Damage> lost) throws IOException {
        for (Framed next = scan.nextComplete(); next != null; next = scan.nextComplete()) {
            long sequence = next.sequence();
            if (lost.stream().noneMatch(gone -> gone.firstMissing() <= sequence && sequence <= gone.lastMissing())) {
                return true;
            }
        }
        return false;
    }

    private String declare(List<Damage> lost, String logId) throws IOException {
        List<String> names = files.list(directory);
        int number = 1;
        while (names.contains(prefix + DeclaredLosses.NAME + number)) {
            number++;
        }
        String name = prefix + DeclaredLosses.NAME + number;
        NewFile.write(files, directory, prefix, name, file -> file.write(DeclaredLosses.encode(lost, logId), 0));
        return name;
    }

    /**
     * Replaces a segment by a segment with only its complete records. The replacement of a compressed segment is not
     * compressed. It gets the name without {@code .gz}, or that name and a number if the name belongs to another file.
     */
    private void replace(SegmentList list, String name, long kept, BrokenFiles broken) throws IOException {
        int index = list.indexOf(name);
        merge(list, index, List::of, kept, plainName(list, index, broken));
    }

    /** Returns the name of the file that replaces a segment and is not compressed. */
    private String plainName(SegmentList list, int index, BrokenFiles broken) throws IOException {
        String name = list.segments().get(index).name();
        String plain =
                name.endsWith(SegmentNames.GZIP) ? name.substring(0, name.length() - SegmentNames.GZIP.length()) : name;
        if (list.segments().get(index).copies().contains(plain)) {
            String unused = broken.copy(plain); // a cursor may read records from it that the segment lacks
        } else if (!plain.equals(name) && files.status(directory.resolve(plain)).isPresent()) {
            return SegmentNames.freeRotatedName(files, directory, plain);
        }
        return plain;
    }

    private static void requireSame(SegmentCursor original, OpenFile replacement, long kept) throws IOException {
        long readBack = CompleteRecords.count(original.scan().header(), replacement);
        if (readBack < kept) {
            throw new IOException(
                    "segment " + original.scan().segment() + " has " + kept + " complete records, but only " + readBack
                            + " could be read from its replacement; the segment was not changed");
        }
    }

    /**
     * An iterator over those records of a segment that were appended to it, are complete, and count. It can also write
     * a copy of the segment with only these records and the same header. The copy omits bytes after the last record
     * that counts, but keeps a torn tail for the next start. One thread.
     */
    private static final class CompleteRecords {
        private static final int CHUNK_BYTES = 1 << 20;

        private final SegmentCursor cursor;
        private final SegmentScan scan;
        private boolean badBytes;

        CompleteRecords(SegmentCursor cursor) {
            this.cursor = cursor;
            this.scan = cursor.scan();
        }

        /** Returns the next record; null at the end. */
        @Nullable
        LogRecord next() throws IOException {
            while (true) {
                long expectedAt = scan.offset();
                LogRecord record = cursor.next();
                if (record == null) {
                    badBytes |= cursor.damage() != null && !cursor.endsClean();
                    return null;
                }
                boolean isCarried = record.sequence() < cursor.header().next();
                if (!isCarried) {
                    badBytes |= cursor.damage() != null && record.position().offset() != expectedAt;
                    // a record that was read from another copy is missing in this file
                    badBytes |= !record.position().segment().equals(scan.segment());
                    return record;
                }
            }
        }

        /**
         * Returns whether the part read so far contains bytes that belong to no complete record, or lacks a record that
         * another copy contains.
         */
        boolean hasBadBytes() {
            return badBytes;
        }

        /** Writes a segment with the header, the complete records, and the torn tail if there is one. */
        static void copy(SegmentCursor cursor, OpenFile target) throws IOException {
            SegmentScan scan = cursor.scan();
            ByteBuffer header = scan.isHeaderBroken() ? cursor.header().encode() : scan.headerBytes();
            long at = header.remaining();
            target.write(header, 0);
            CompleteRecords whole = new CompleteRecords(cursor);
            byte[] seed = scan.header().seed();
            for (LogRecord record = whole.next(); record != null; record = whole.next()) {
                ByteBuffer bytes = ByteBuffer.allocate(record.body().length + RecordFormat.MAX_OVERHEAD_BYTES);
                RecordFormat.write(bytes, seed, record.sequence(), record.group(), record.entry());
                bytes.flip();
                long length = bytes.remaining();
                target.write(bytes, at);
                at += length;
            }
            if (cursor.torn()) {
                long end = scan.endOfContent(scan.offset());
                for (long from = scan.offset(); from < end; ) {
                    ByteBuffer chunk = scan.bytesAt(from, (int) Math.min(CHUNK_BYTES, end - from));
                    int length = chunk.remaining();
                    if (length == 0) {
                        throw new IOException(scan.segment() + " was truncated while it was being read");
                    }
                    target.write(chunk, at);
                    at += length;
                    from += length;
                }
            }
        }

        /**
         * Returns the number of consecutive complete records after the header of a file; 0 if the file does not have
         * this header.
         */
        static long count(SegmentHeader header, OpenFile file) throws IOException {
            SegmentBytes bytes = SegmentBytes.of(file);
            Framed first = RecordFormat.readHeader(bytes);
            if (first == null || !first.keyId().equals(header.id())) {
                return 0;
            }
            long count = 0;
            long at = first.length();
            for (Framed next = RecordFormat.read(bytes, at, header.seed());
                    next != null;
                    next = RecordFormat.read(bytes, at, header.seed())) {
                at += next.length();
                count++;
            }
            return count;
        }
    }

    /**
     * The result or the plan of a repair.
     *
     * @param taken the segments that were taken from the archive
     * @param notTaken the segments with lost records of which nothing was taken from the archive; empty without one
     * @param lost the ranges of the records that are lost; the offsets refer to the files that were set aside
     * @param declaredIn the file that declares the losses; null in a plan, or if nothing was lost
     * @param setAside the damaged files
     */
    public record Repair(
            List<Taken> taken,
            List<NotTaken> notTaken,
            List<Damage> lost,
            @Nullable String declaredIn,
            List<SetAside> setAside) {

        /** Copies the lists. */
        public Repair {
            taken = List.copyOf(taken);
            notTaken = List.copyOf(notTaken);
            lost = List.copyOf(lost);
            setAside = List.copyOf(setAside);
        }

        /** Returns whether there is anything to repair. */
        public boolean isNeeded() {
            return !taken.isEmpty() || !lost.isEmpty() || !setAside.isEmpty();
        }

        /** Returns the number of lost records; ranges of unknown length count as 0. */
        public long missing() {
            return lost.stream().mapToLong(Damage::missing).sum();
        }

        /**
         * A segment that was taken from the archive.
         *
         * @param segment its name in the log
         * @param archived the name of the archived file
         * @param as the name of the copy of the damaged file that it replaced; null if the segment was missing
         */
        public record Taken(
                String segment, String archived, @Nullable String as) {}

        /**
         * A segment of which nothing was taken from the archive.
         *
         * @param isArchived whether the archive has a copy, which lacks the same records or is damaged
         */
        public record NotTaken(String segment, boolean isArchived) {}

        /**
         * A damaged file.
         *
         * @param segment the name of the file before the repair
         * @param as the name of its copy; null in a plan
         * @param kept the number of its complete records, which stay in the log; -1 if the file has no readable header
         *     and therefore leaves the log
         */
        public record SetAside(String segment, @Nullable String as, long kept) {}
    }
}
