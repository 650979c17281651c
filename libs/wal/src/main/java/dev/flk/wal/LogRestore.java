// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.LogRepair.Repair;
import dev.flk.wal.LogRepair.Repair.SetAside;
import dev.flk.wal.SegmentArchive.Copy;
import dev.flk.wal.files.DiskFullException;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.BrokenFiles;
import dev.flk.wal.segment.BrokenFiles.NewFile;
import dev.flk.wal.segment.ChecksummedLine;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.DeclaredLosses;
import dev.flk.wal.segment.LogId;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentList.Listed;
import dev.flk.wal.segment.SegmentNames;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A restore of a log from an archive into an empty directory. The restored log has the id of the archived one, and all
 * archived records under their sequences. It never reuses a sequence: it continues a million sequences after the last
 * restored record, because the lost machine may have answered later records that are not in the archive. The skipped
 * range is a {@link DeclaredLosses declared loss}, and so are the gaps in the archive.
 *
 * <p>The files are written into the directory itself, because a directory on a volume of its own can't be renamed. From
 * the first to the last step, the directory contains the file {@code inbox.restoring}; while it does, no log can be
 * opened in the directory. Everything is on disk before this file is removed. If a restore is interrupted, another run
 * removes what was written and begins again. One thread.
 */
public final class LogRestore {
    /** The number of sequences that a restored log skips. */
    public static final long SKIPPED = 1_000_000;

    private static final String UNFINISHED = ".restoring";

    private final SegmentArchive archive;
    private final FileOps files;
    private final Path directory;
    private final String prefix;
    private final String holder;

    /**
     * @param directory the directory for the log; created if it is missing
     * @param prefix the prefix of the segments' names (see {@link LogOptions#prefix})
     * @param holder the name of this process in the lock file
     */
    public LogRestore(SegmentArchive archive, FileOps files, Path directory, String prefix, String holder) {
        this.archive = archive;
        this.files = files;
        this.directory = directory;
        this.prefix = prefix;
        this.holder = holder;
    }

    /** Throws if a restore of the log with this prefix into a directory was interrupted, or is in progress. */
    public static void requireFinished(FileOps files, Path directory, String prefix) throws IOException {
        if (files.status(directory.resolve(prefix + UNFINISHED)).isPresent()) {
            throw unfinished(directory);
        }
    }

    /** Throws like {@link #requireFinished(FileOps, Path, String)}; {@code names} are the files in the directory. */
    static void requireFinished(Path directory, String prefix, List<String> names) throws IOException {
        if (names.contains(prefix + UNFINISHED)) {
            throw unfinished(directory);
        }
    }

    private static IOException unfinished(Path directory) {
        return new IOException("a restore into " + directory + " has not finished, so the log in it is incomplete: run"
                + " 'wal restore' again, or remove all files from the directory");
    }

    /** A writer of the files that the log's owner keeps next to the segments. Called before the restore is complete. */
    @FunctionalInterface
    public interface OwnFiles {
        void write(Restored restored) throws IOException;
    }

    /**
     * A restored log.
     *
     * @param first the sequence of the first record; 0 if the log has no records
     * @param last the sequence of the last record; 0 if the log has no records
     * @param next the sequence at which the log continues
     * @param gaps the ranges of records that are missing without an explanation, oldest first
     * @param lost the ranges that the lost log had already declared lost
     */
    public record Restored(
            String logId,
            int segments,
            long bytes,
            long records,
            long first,
            long last,
            long next,
            List<Damage> gaps,
            List<Damage> lost) {

        /** Copies the lists. */
        public Restored {
            gaps = List.copyOf(gaps);
            lost = List.copyOf(lost);
        }
    }

    /**
     * Restores a log.
     *
     * @param logId the log to restore, one of {@link SegmentArchive#logs}
     * @param removed the sequence up to which the lost log had removed its records; records that are missing up to there
     *     are no gap
     * @param known the highest sequence that the lost log is known to have used; 0 if that is unknown
     * @throws LogLockedException if a process owns the directory; nothing was changed
     * @throws IOException if the directory is not empty, the archive can't be read, or the disk fails; no log can be
     *     opened in the directory, and the restore can be run again
     */
    public Restored run(String logId, long removed, long known, OwnFiles own) throws IOException {
        files.createDirectories(directory);
        Closeable lock = files.lock(directory.resolve(Log.LOCK_FILE), holder);
        try {
            return restore(logId, removed, known, own);
        } finally {
            lock.close();
        }
    }

    private Restored restore(String logId, long removed, long known, OwnFiles own) throws IOException {
        Map<String, Copy> chosen = chosen(logId);
        clear();
        long bytes = chosen.values().stream().mapToLong(Copy::bytes).sum();
        if (files.usableBytes(directory) < bytes) {
            throw new IOException("the archived segments of log " + logId + " need " + bytes + " bytes, but only "
                    + files.usableBytes(directory) + " are free in " + directory);
        }
        ChecksummedLine.write(files, directory, prefix, prefix + UNFINISHED, "flk-restore1 " + logId);
        for (Map.Entry<String, Copy> copy : chosen.entrySet()) {
            copy(copy.getValue(), directory.resolve(copy.getKey()));
        }
        LogId.write(files, directory, prefix, logId);
        // a repair merges damaged copies of one segment, and finds what is missing
        Repair repair = new LogRepair(files, directory, prefix, holder).repair();
        for (SetAside aside : repair.setAside()) {
            files.delete(directory.resolve(String.valueOf(aside.as()))); // the archive still has the file
        }
        Restored restored = declare(logId, bytes, repair.lost(), removed, known);
        own.write(restored);
        files.forceDirectory(directory);
        files.delete(directory.resolve(prefix + UNFINISHED));
        files.forceDirectory(directory);
        return restored;
    }

    /**
     * Returns the copies to restore, by the names that their segments had when they were opened: of each segment the
     * most complete intact copy, or all copies if none is intact. If two segments had the same name, the newer one gets
     * it, as if logrotate had renamed the older one.
     */
    private Map<String, Copy> chosen(String logId) throws IOException {
        Map<String, Copy> chosen = new LinkedHashMap<>();
        for (List<Copy> copies : archive.copiesOf(logId)) {
            List<Copy> taken = copies.size() == 1
                    ? copies
                    : archive.intact(copies).map(List::of).orElse(copies);
            for (Copy copy : taken) {
                SegmentHeader header = copy.header();
                String opened = SegmentNames.of(prefix, header.next(), header.openedMillis());
                String gzip = copy.isGzipped() ? SegmentNames.GZIP : "";
                String name = opened;
                for (int n = 1; chosen.containsKey(name) || chosen.containsKey(name + SegmentNames.GZIP); n++) {
                    name = opened + "." + n;
                }
                chosen.put(name + gzip, copy);
            }
        }
        return chosen;
    }

    /**
     * Removes what an interrupted restore left.
     *
     * @throws IOException if the directory contains anything else
     */
    private void clear() throws IOException {
        List<String> names = new ArrayList<>(files.list(directory));
        names.remove(Log.LOCK_FILE);
        boolean isUnfinished = names.contains(prefix + UNFINISHED);
        List<String> ours = names.stream()
                .filter(name -> isUnfinished ? name.startsWith(prefix) : name.startsWith(prefix + SegmentNames.OPENING))
                .toList();
        if (!isUnfinished && ours.size() < names.size()) {
            names.removeAll(ours);
            throw new IOException(directory + " is not empty, it contains " + names.get(0)
                    + (names.size() > 1 ? " and " + (names.size() - 1) + " more" : "")
                    + "; a log is restored into an empty directory: move the files away, or name another directory");
        }
        for (String name : ours) {
            if (!name.equals(prefix + UNFINISHED)) {
                files.delete(directory.resolve(name));
            }
        }
        files.forceDirectory(directory);
    }

    private void copy(Copy copy, Path target) throws IOException {
        try (OpenFile source = archive.openRaw(copy);
                OpenFile file = files.create(target)) {
            BrokenFiles.copy(source, 0, source.size(), file);
            file.force();
        } catch (DiskFullException e) {
            throw e;
        } catch (IOException e) {
            throw new IOException("archived file " + copy.file() + " could not be copied: " + e.getMessage(), e);
        }
    }

    private Restored declare(String logId, long bytes, List<Damage> missing, long removed, long known)
            throws IOException {
        DeclaredLosses before = archive.losses(logId);
        for (Listed listed : SegmentList.read(files, directory, prefix).segments()) {
            for (String copy : listed.copies()) {
                files.delete(directory.resolve(copy)); // the repair has merged it
            }
        }
        SegmentList list = SegmentList.read(files, directory, prefix);
        List<Damage> lost = new ArrayList<>(missing);
        if (list.firstKnown() > removed + 1) {
            lost.add(0, list.absentBefore(0, removed + 1, list.firstKnown() - 1));
        }
        long records = 0;
        long first = 0;
        long last = 0;
        try (LogReader reader = LogReader.over(list, OnDamage.STOP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                first = records == 0 ? record.sequence() : first;
                last = record.sequence();
                records++;
            }
        }
        List<Damage> gaps = new ArrayList<>();
        for (Damage damage : lost) {
            if (damage.missing() > 0) {
                before.undeclared(damage).stream()
                        .flatMap(gap -> gap.after(removed).stream())
                        .forEach(gaps::add);
            } else if (!before.names(damage.segment()) && damage.firstMissing() > removed + 1) {
                gaps.add(damage);
            }
        }
        long end = Math.max(Math.max(last, known), Math.max(removed, before.end() - 1));
        List<Damage> declared = new ArrayList<>();
        for (Damage damage : lost) { // what an earlier restore skipped stays skipped
            declared.addAll(
                    damage.missing() == 0 ? List.of(damage) : before.skips().undeclared(damage));
            declared.addAll(before.skips().within(damage));
        }
        declared.addAll(before.ofUnknownLength());
        skip(declared, last + 1, end + SKIPPED);
        NewFile.write(
                files,
                directory,
                prefix,
                prefix + DeclaredLosses.NAME + 1,
                file -> file.write(DeclaredLosses.encode(declared, logId), 0));
        List<Damage> lostBefore = lost.stream()
                .flatMap(damage -> before.within(damage).stream())
                .filter(damage -> !DeclaredLosses.isSkipped(damage))
                .toList();
        return new Restored(
                logId, list.segments().size(), bytes, records, first, last, end + SKIPPED + 1, gaps, lostBefore);
    }

    private static void skip(List<Damage> declared, long first, long last) {
        declared.add(DeclaredLosses.skipped(first, last));
    }
}
