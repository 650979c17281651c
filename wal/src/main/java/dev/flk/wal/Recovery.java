// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Damage.OnDamage;
import dev.flk.wal.FileOps.OpenFile;
import dev.flk.wal.SegmentOpener.Predecessor;
import dev.flk.wal.StartReport.CutTail;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The recovery at a start, before anything is appended. It reads the newest segment, tells a torn tail from damage, copies a torn tail to a
 * {@code ….broken} file and cuts it off. It also finds the records that the next segment's header must repeat, because no later record
 * proves that they were forced: the last group, and the records that share a 4 KiB block with its beginning.
 */
final class Recovery {
    private Recovery() {}

    /**
     * The result of a recovery.
     *
     * @param nextSequence the first sequence to be appended
     * @param nextOrdinal the ordinal of the next segment
     * @param logId the id of the log
     * @param predecessor the segment that the next one continues
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
            long next = damages.add(list, list.lostBehind(1), 1);
            return new Found(next, 1, logId, Predecessor.NONE, StartReport.of(list, damages.found, null));
        }
        UnprovenTail tail = new UnprovenTail();
        try (SegmentCursor cursor = list.open(list.segments().size() - 1)) {
            SegmentScan scan = cursor.scan();
            for (LogRecord record = cursor.next(); record != null; record = cursor.next()) {
                damages.add(list, cursor.damage(), 0);
                if (record.position().offset() >= scan.firstOffset()) {
                    tail.add(record, scan.offset());
                }
            }
            long end = scan.offset();
            damages.add(list, cursor.damage(), 0);
            long next = damages.add(list, list.lostBehind(cursor.expected()), cursor.expected());
            CutTail cut = null;
            // a segment that was compressed or renamed is not written to any more and stays as it is
            if (scan.segment().endsWith(SegmentList.SUFFIX)) {
                long contentEnd = scan.endOfContent(end);
                if (contentEnd > end) {
                    String kept = setAside(files, options.directory(), scan, end);
                    cut = new CutTail(scan.segment(), end, contentEnd - end, cursor.expected(), kept);
                }
                if (scan.size() > end) {
                    cut(files, options.directory().resolve(scan.segment()), end);
                }
            }
            long ordinal = scan.header().ordinal() + 1;
            String previous = SegmentList.openedName(scan.segment());
            Predecessor predecessor = tail.isEmpty()
                    ? new Predecessor(
                            cursor.header().carried(),
                            previous,
                            0,
                            scan.header().id(),
                            cursor.header())
                    : new Predecessor(
                            tail.records(),
                            previous,
                            tail.start(),
                            scan.header().id(),
                            null);
            return new Found(next, ordinal, logId, predecessor, StartReport.of(list, damages.found, cut));
        }
    }

    /** A collector of damage that throws if the options say so. */
    private record Damages(OnDamage onDamage, List<Damage> found) {
        Damages(OnDamage onDamage) {
            this(onDamage, new ArrayList<>());
        }

        /**
         * Adds damage, if any; returns the first unused sequence, which is after the damage and the declared losses,
         * and at least {@code next}.
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

    /** Removes segments whose opening was interrupted: nothing was ever appended to them or read from them. */
    private static void removeUnopened(FileOps files, LogOptions options) throws IOException {
        for (String name : files.list(options.directory())) {
            if (name.startsWith(options.prefix() + SegmentList.OPENING)) {
                files.delete(options.directory().resolve(name));
            }
        }
    }

    /** Copies the end of a segment to another file, and returns its name. */
    private static String setAside(FileOps files, Path directory, SegmentScan scan, long from) throws IOException {
        long end = scan.endOfContent(from);
        String name = SegmentList.freeBrokenName(files, directory, scan.segment());
        try (OpenFile source = files.openForReading(directory.resolve(scan.segment()));
                OpenFile target = files.create(directory.resolve(name))) {
            BrokenFiles.copy(source, from, end, target);
            target.force();
        }
        files.forceDirectory(directory);
        return name;
    }

    private static void cut(FileOps files, Path segment, long end) throws IOException {
        try (OpenFile file = files.openForWriting(segment)) {
            file.truncate(end);
            file.force();
        }
    }

    /**
     * The records at the end of a segment that a failed write, a failed fsync or a crash may have damaged: the last
     * group, and the records before it that share a 4 KiB block with its beginning. Keeps the records of that block and
     * of the last group in memory. One thread.
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

        /** Drops the records that share no block with {@code offset}, at which a group begins or would begin. */
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
