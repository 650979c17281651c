// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.BrokenFiles.NewFile;
import dev.flk.wal.Damage.OnDamage;
import dev.flk.wal.FileOps.OpenFile;
import dev.flk.wal.LogRepair.Repair.SetAside;
import dev.flk.wal.RecordFormat.Framed;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Makes a damaged log one that a start goes on with: every whole record stays, under its own sequence and context, and what is gone
 * is declared as lost (see {@link DeclaredLosses}). It deletes nothing. In this order, each step on disk before the next:
 *
 * <ol>
 *   <li>every damaged file is copied to a {@code ….broken} file;
 *   <li>one file declares all losses at once: from here on the log can be started on;
 *   <li>each damaged segment is replaced by one that holds just its whole records; a file without a whole header leaves the log.
 * </ol>
 *
 * <p>If it ends in between, running it again does what is left. An unfinished end is no damage; the next start sets it aside. One
 * thread.
 */
public final class LogRepair {
    private final FileOps files;
    private final Path directory;
    private final String prefix;
    private final String holder;

    /**
     * @param prefix of the segments' names (see {@link LogOptions#prefix})
     * @param holder how this process names itself in the lock
     */
    public LogRepair(FileOps files, Path directory, String prefix, String holder) {
        this.files = files;
        this.directory = directory;
        this.prefix = prefix;
        this.holder = holder;
    }

    /** What {@link #run} would do; locks and changes nothing. */
    public Repair plan() throws IOException {
        return Vanished.retry(() -> {
            SegmentList list = SegmentList.read(files, directory, prefix);
            List<Damage> lost = lost(list);
            Map<String, Long> kept = keptOfDamaged(list, lost);
            lost.addAll(leaving(list, lost));
            List<SetAside> damaged = new ArrayList<>();
            kept.forEach((name, records) -> damaged.add(new SetAside(name, null, records)));
            return new Repair(lost, null, damaged);
        });
    }

    /**
     * Does it.
     *
     * @throws LogLockedException if a process owns the directory: nothing was changed
     * @throws IOException if the disk fails: run it again; nothing was lost that was there before
     */
    public Repair run() throws IOException {
        Closeable lock = files.lock(directory.resolve(Log.LOCK_FILE), holder);
        try {
            return repair();
        } finally {
            lock.close();
        }
    }

    private Repair repair() throws IOException {
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
                replace(list, name, kept);
            }
            if (kept < 0 || name.endsWith(Retention.GZIP)) {
                files.move(directory.resolve(name), directory.resolve(copy.getValue())); // over a copy of itself
                files.forceDirectory(directory);
            }
            setAside.add(new SetAside(name, copy.getValue(), kept));
        }
        return new Repair(lost, declaredIn, setAside);
    }

    private List<Damage> lost(SegmentList list) throws IOException {
        try (LogReader reader = LogReader.over(list, OnDamage.SKIP)) {
            while (reader.next() != null) {
                // to its end
            }
            return new ArrayList<>(reader.damages());
        }
    }

    /** The files that leave the log without any known record: they must not count as missing afterwards. */
    private static List<Damage> leaving(SegmentList list, List<Damage> lost) {
        return list.headless().stream()
                .filter(damage -> list.segments().stream()
                        .anyMatch(listed -> listed.goesOnFrom() < 0
                                && damage.segment().startsWith(listed.header().previous())))
                .filter(damage ->
                        lost.stream().noneMatch(other -> other.segment().equals(damage.segment())))
                .map(damage -> Damage.ofUnknown(
                        damage.kind(), SegmentList.openedName(damage.segment()), damage.firstMissing()))
                .toList();
    }

    /**
     * The names of the files in which something is not whole, or would count once a file without header has left the log, and how many
     * records of them stay; -1 for a file without header.
     */
    private Map<String, Long> keptOfDamaged(SegmentList list, List<Damage> lost) throws IOException {
        Map<String, Long> kept = new LinkedHashMap<>();
        for (int i = 0; i < list.segments().size(); i++) {
            try (SegmentCursor cursor = list.open(i)) {
                WholeRecords whole = new WholeRecords(cursor);
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

    /** Whether a record stands behind those that count whose sequence is not given up. */
    private static boolean wouldCount(SegmentScan scan, List<Damage> lost) throws IOException {
        for (Framed next = scan.nextWhole(); next != null; next = scan.nextWhole()) {
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

    /** A compressed segment is replaced by one that is not, which counts from the moment that it has its name. */
    private void replace(SegmentList list, String name, long kept) throws IOException {
        String target =
                name.endsWith(Retention.GZIP) ? name.substring(0, name.length() - Retention.GZIP.length()) : name;
        if (!target.equals(name) && files.status(directory.resolve(target)).isPresent()) {
            // another copy of the segment, of which less was whole
            files.move(
                    directory.resolve(target), directory.resolve(SegmentList.freeBrokenName(files, directory, target)));
            files.forceDirectory(directory);
        }
        try (SegmentCursor cursor = list.open(list.indexOf(name))) {
            NewFile.write(files, directory, prefix, target, file -> {
                WholeRecords.copy(cursor, file);
                requireSame(cursor, file, kept);
            });
        }
    }

    private static void requireSame(SegmentCursor original, OpenFile replacement, long kept) throws IOException {
        long readBack = WholeRecords.count(original.scan().header(), replacement);
        if (readBack < kept) {
            throw new IOException("of segment " + original.scan().segment() + " " + kept + " records are whole, but "
                    + readBack + " read back of its replacement; the segment is left as it was");
        }
    }

    /**
     * The records that were appended to a segment, count, and are whole; and a segment that holds just them, under the same header.
     * What stood behind the last one that counts is left out; an unfinished end is kept, for the next start to judge. One thread.
     */
    private static final class WholeRecords {
        private static final int CHUNK_BYTES = 1 << 20;

        private final SegmentCursor cursor;
        private final SegmentScan scan;
        private boolean badBytes;

        WholeRecords(SegmentCursor cursor) {
            this.cursor = cursor;
            this.scan = cursor.scan();
        }

        /** The next one; null behind the last. */
        @Nullable
        LogRecord next() throws IOException {
            while (true) {
                long expectedAt = scan.offset();
                LogRecord record = cursor.next();
                if (record == null) {
                    badBytes |= cursor.damage() != null && !cursor.endsClean();
                    return null;
                }
                boolean carried = record.position().offset() < scan.firstOffset();
                if (!carried) {
                    badBytes |= cursor.damage() != null && record.position().offset() > expectedAt;
                    return record;
                }
            }
        }

        /** Whether bytes were met that belong to no whole record. */
        boolean hasBadBytes() {
            return badBytes;
        }

        /** Writes a segment of the header and the whole records, and the unfinished end if there is one. */
        static void copy(SegmentCursor cursor, OpenFile target) throws IOException {
            SegmentScan scan = cursor.scan();
            ByteBuffer header = scan.isHeaderBroken() ? cursor.header().encode() : scan.headerBytes();
            long at = header.remaining();
            target.write(header, 0);
            WholeRecords whole = new WholeRecords(cursor);
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
                        throw new IOException(scan.segment() + " got shorter while it was being read");
                    }
                    target.write(chunk, at);
                    at += length;
                    from += length;
                }
            }
        }

        /** How many whole records stand one behind the other in a file with this header, as the file reads back. */
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
     * What a repair did, or would do.
     *
     * @param lost what was given up: exactly these records are gone; offsets are those in the file that was set aside
     * @param declaredIn the file that declares it; null where that is still to be written, or nothing was lost
     * @param setAside the files that were damaged
     */
    public record Repair(List<Damage> lost, @Nullable String declaredIn, List<SetAside> setAside) {

        /** Keeps copies. */
        public Repair {
            lost = List.copyOf(lost);
            setAside = List.copyOf(setAside);
        }

        /** Whether there was anything to do. */
        public boolean isNeeded() {
            return !lost.isEmpty() || !setAside.isEmpty();
        }

        /** How many records are gone. */
        public long missing() {
            return lost.stream().mapToLong(Damage::missing).sum();
        }

        /**
         * A damaged file.
         *
         * @param segment the name that it had
         * @param as the name that it has now; null where that is still to be done
         * @param kept how many whole records of it stay in the log; -1 if it had no whole header, and leaves the log
         */
        public record SetAside(String segment, @Nullable String as, long kept) {}
    }
}
