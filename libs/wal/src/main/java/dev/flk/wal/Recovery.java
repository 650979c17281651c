// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.SegmentOpener.Predecessor;
import dev.flk.wal.StartReport.CutTail;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.segment.BrokenFiles;
import dev.flk.wal.segment.BrokenFiles.NewFile;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.LogId;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentCursor;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentNames;
import dev.flk.wal.segment.SegmentScan;
import dev.flk.wal.segment.Vanished;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The recovery at a start, before anything is appended. It reads the newest segment, tells a torn tail from damage,
 * copies a torn tail to a {@code ….broken} file and cuts it off. It also finds the records that the next segment's
 * header must repeat. These are the last group, because no later record proves that it was forced, and the records
 * before it in the 4 KiB block in which it begins, because an interrupted write of the group may have damaged this
 * block.
 */
final class Recovery {
    private static final int CHECK_BYTES = 1 << 16;

    private Recovery() {}

    /**
     * The result of a recovery.
     *
     * @param nextSequence the first sequence to be appended
     * @param nextOrdinal the ordinal of the next segment
     * @param logId the id of the log
     * @param predecessor the segment that the next segment continues
     * @param report the findings for the operator
     */
    record Found(long nextSequence, long nextOrdinal, String logId, Predecessor predecessor, StartReport report) {}

    static Found run(FileOps files, LogOptions options, RandomGenerator random) throws IOException {
        removeUnopened(files, options);
        SegmentList list = Vanished.retry(() -> SegmentList.read(files, options.directory(), options.prefix()));
        String logId =
                list.logId().equals(SegmentHeader.NO_ID) ? HexFormat.of().toHexDigits(random.nextLong()) : list.logId();
        if (!list.isIdKept()) {
            LogId.write(files, options.directory(), options.prefix(), logId);
        }
        Damages damages = new Damages(options.onDamage());
        if (list.isEmpty()) {
            long next = damages.add(list, list.lostAfterNewest(1), 1);
            return new Found(
                    next, ordinalAfter(next), logId, Predecessor.NONE, StartReport.of(list, damages.found, null));
        }
        UnprovenTail tail = new UnprovenTail();
        try (SegmentCursor cursor = list.open(list.segments().size() - 1)) {
            SegmentScan scan = cursor.scan();
            for (LogRecord record = cursor.next(); record != null; record = cursor.next()) {
                damages.add(list, cursor.damage(), 0);
                if (record.sequence() >= cursor.header().next()) {
                    tail.add(record, scan.offset());
                }
            }
            long end = scan.offset();
            Damage atEnd = cursor.damage();
            if (atEnd != null) {
                damages.add(list, list.damageAtEnd(list.segments().size() - 1, cursor, atEnd), 0);
            }
            long next = damages.add(list, list.lostAfterNewest(cursor.expected()), cursor.expected());
            CutTail cut = null;
            // a segment that was compressed or renamed is not written to any more and stays as it is
            if (scan.segment().endsWith(SegmentNames.SUFFIX)) {
                cut = cutFrom(files, options, scan, end, next);
            }
            long ordinal = scan.header().ordinal() + 1;
            if (next > cursor.expected()) {
                ordinal = Math.max(ordinal, ordinalAfter(next)); // later segments are lost
            }
            String previous = SegmentNames.openedName(scan.segment());
            // an empty last segment is kept while any header is broken, because the broken header may have to be
            // derived from the empty segment's header
            boolean isKept = !list.brokenHeaders().isEmpty();
            Predecessor predecessor = tail.isEmpty()
                    ? new Predecessor(
                            cursor.header().carried(),
                            previous,
                            isKept ? scan.firstOffset() : 0,
                            scan.header().id(),
                            isKept ? null : cursor.header())
                    : new Predecessor(
                            tail.records(),
                            previous,
                            tail.start(),
                            scan.header().id(),
                            null);
            return new Found(next, ordinal, logId, predecessor, StartReport.of(list, damages.found, cut));
        }
    }

    /**
     * Returns an ordinal that is higher than those of lost segments, which are unknown. {@code next} is the next
     * sequence. If an intact copy of a lost segment is put back, it must count as older than the segments opened from
     * now on. A lost segment can have a higher ordinal only after a million attempts to open a segment per record.
     */
    private static long ordinalAfter(long next) {
        return next == 1 ? 1 : Math.min(next, 1L << 38) << 20; // at most 2^58, so that it can still increase
    }

    /** A collector of damage that throws on undeclared damage if the options require it. */
    private record Damages(OnDamage onDamage, List<Damage> found) {
        Damages(OnDamage onDamage) {
            this(onDamage, new ArrayList<>());
        }

        /**
         * Adds the damage unless it is null. Returns the first sequence for new records: at least {@code next}, and
         * after the damage and all declared losses.
         */
        long add(SegmentList list, @Nullable Damage damage, long next) throws DamagedLogException {
            long free = Math.max(next, list.losses().end());
            if (damage == null) {
                return free;
            }
            List<Damage> news = list.losses().undeclared(damage);
            if (onDamage == OnDamage.STOP && !news.isEmpty()) {
                throw new DamagedLogException(news.get(0));
            }
            found.addAll(news);
            return Math.max(free, damage.lastMissing() + 1);
        }
    }

    /**
     * Removes temporary files that a crash left: segments that were never used, and other new files.
     *
     * @throws IOException if a restore into the directory was interrupted; nothing was changed
     */
    private static void removeUnopened(FileOps files, LogOptions options) throws IOException {
        List<String> names = files.list(options.directory());
        LogRestore.requireFinished(options.directory(), options.prefix(), names);
        for (String name : names) {
            if (name.startsWith(options.prefix() + SegmentNames.OPENING)) {
                files.delete(options.directory().resolve(name));
            }
        }
    }

    /**
     * Copies the content of a segment after the offset {@code from} to another file, then truncates the segment at this
     * offset. Returns null, and copies nothing, if only zeros follow the offset.
     */
    private static @Nullable CutTail cutFrom(
            FileOps files, LogOptions options, SegmentScan scan, long from, long sequence) throws IOException {
        if (scan.size() <= from) {
            return null;
        }
        CutTail cut = null;
        String segment = scan.segment();
        try (OpenFile file = files.openForWriting(options.directory().resolve(segment))) {
            long end = scan.endOfContent(from);
            if (end > from) {
                requireReadable(file, segment, from, end);
                String kept = SegmentNames.freeBrokenName(files, options.directory(), segment);
                NewFile.write(
                        files,
                        options.directory(),
                        options.prefix(),
                        kept,
                        target -> BrokenFiles.copy(file, from, end, target));
                cut = new CutTail(segment, from, end - from, sequence, kept);
            }
            file.truncate(from);
            file.force();
        }
        return cut;
    }

    /**
     * Reads a part of a file and fails at unreadable blocks. An unreadable block may belong to acknowledged records, so
     * it must not be cut off. The file must be open for writing: if it is open only for reading, an implementation of
     * {@link FileOps} may return other bytes for an unreadable block instead of an error.
     */
    private static void requireReadable(OpenFile file, String segment, long from, long end) throws IOException {
        for (long at = from; at < end; at += CHECK_BYTES) {
            try {
                file.readUpTo(at, (int) Math.min(CHECK_BYTES, end - at));
            } catch (IOException e) {
                throw new IOException(
                        "the end of segment " + segment + " can't be read from byte " + at + " on (" + e.getMessage()
                                + "), and may contain answered records. Nothing was changed; start again. If the disk"
                                + " does not recover, replace the file by a copy without the unreadable blocks: their"
                                + " records are lost",
                        e);
            }
        }
    }

    /**
     * The records at the end of a segment that a failed write, a failed fsync or a crash may have damaged: the last
     * group, and the earlier records in the 4 KiB block in which this group begins. This object keeps these records in
     * memory. One thread.
     */
    static final class UnprovenTail {
        private final List<LogRecord> records = new ArrayList<>();
        private final List<Long> ends = new ArrayList<>();
        private long group = -1;

        /** Adds the next record of the segment; {@code end} is the offset after it. */
        void add(LogRecord record, long end) {
            if (record.group() != group) {
                group = record.group();
                dropBefore(record.position().offset());
            }
            records.add(record);
            ends.add(end);
        }

        /**
         * Forgets the records that need not be repeated: they end before the block of the file in which a group begins.
         * {@code offset} is the beginning of the group.
         */
        void dropBefore(long offset) {
            long block = offset / SegmentHeader.BLOCK_BYTES * SegmentHeader.BLOCK_BYTES;
            int kept = 0;
            while (kept < ends.size() && ends.get(kept) <= block) {
                kept++;
            }
            records.subList(0, kept).clear();
            ends.subList(0, kept).clear();
        }

        void clear() {
            records.clear();
            ends.clear();
            group = -1;
        }

        boolean isEmpty() {
            return records.isEmpty();
        }

        /** Returns the offset of the first record. */
        long start() {
            return records.get(0).position().offset();
        }

        List<LogRecord> records() {
            return List.copyOf(records);
        }
    }
}
