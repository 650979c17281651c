// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.FileStatus;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.files.TooManyFilesException;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentNames;
import dev.flk.wal.segment.SegmentScan;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * An opener of segments. The header is written to a file with a temporary name and forced; then the file gets its name
 * and the directory is forced. Only then is the segment used. A segment without appended records is replaced if the
 * next segment gets the same name; the next segment repeats the records that the replaced segment carried.
 */
final class SegmentOpener {
    private final FileOps files;
    private final LogOptions options;
    private final FileOps.Lock lock;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final RandomGenerator random;
    private final String logId;
    private long nextOrdinal;

    /** The identity of a segment that got its name but was not used because forcing the directory failed; else null. */
    private @Nullable Object unused;

    SegmentOpener(
            FileOps files,
            LogOptions options,
            FileOps.Lock lock,
            InstantSource clock,
            LongSupplier nanoTicker,
            RandomGenerator random,
            String logId,
            long nextOrdinal) {
        this.files = files;
        this.options = options;
        this.lock = lock;
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.random = random;
        this.logId = logId;
        this.nextOrdinal = nextOrdinal;
    }

    /**
     * The segment that a new segment continues.
     *
     * @param carried the records of the predecessor that the new segment repeats
     * @param name the name under which the predecessor was opened; "-" for the first segment
     * @param end the offset in the predecessor at which the repeated records begin, or the end of the predecessor if no
     *     records are repeated
     * @param id the id of the predecessor; "-" for the first segment
     * @param bare the predecessor's header if the predecessor has no appended records and may be replaced; else null
     */
    record Predecessor(
            List<LogRecord> carried,
            String name,
            long end,
            String id,
            @Nullable SegmentHeader bare) {
        static final Predecessor NONE = new Predecessor(List.of(), "-", 0, SegmentHeader.NO_ID, null);
    }

    /** Opens the next segment; its header and its directory entry are on disk when this method returns. */
    Segment open(long next, Predecessor predecessor) throws IOException {
        long ordinal = nextOrdinal++;
        long millis = Math.max(0, clock.millis());
        List<LogRecord> carried = predecessor.carried();
        String name = SegmentNames.of(options.prefix(), next, millis);
        // the new segment may replace a predecessor without appended records, so it continues the segment before that
        // predecessor
        SegmentHeader bare = predecessor.bare();
        SegmentHeader header = new SegmentHeader(
                HexFormat.of().toHexDigits(random.nextLong()),
                logId,
                ordinal,
                carried.isEmpty() ? next : carried.get(0).sequence(),
                next,
                bare == null ? predecessor.name() : bare.previous(),
                bare == null ? predecessor.end() : bare.previousEnd(),
                bare == null ? predecessor.id() : bare.previousId(),
                options.context(),
                millis,
                carried);
        Path directory = options.directory();
        Path opening = directory.resolve(options.prefix() + SegmentNames.OPENING + ordinal);
        OpenFile file = files.create(opening);
        try {
            ByteBuffer bytes = header.encode();
            int length = bytes.remaining();
            file.write(bytes, 0);
            file.force();
            Object identity = files.status(opening)
                    .orElseThrow(() -> new NoSuchFileException(opening.toString()))
                    .identity();
            String keptAs = nameForOccupant(name, predecessor);
            lock.requireHeld(); // if the lock is lost, another process may already have a segment with this name
            if (keptAs != null) {
                files.move(directory.resolve(name), directory.resolve(keptAs));
            }
            files.move(opening, directory.resolve(name));
            unused = identity;
            files.forceDirectory(directory);
            unused = null;
            return new Segment(name, directory.resolve(name), header, file, identity, length, nanoTicker.getAsLong());
        } catch (IOException | RuntimeException | Error e) {
            abandon(opening, file, e);
            throw e;
        }
    }

    /**
     * Returns the name to which the file that already has the new segment's name must be moved; null if there is no
     * such file, or if it may be overwritten. An empty file and the {@link #unused} segment may be overwritten. If the
     * predecessor has no appended records, it may be overwritten too; a file without a readable header is then taken
     * for the predecessor. Any other segment of this log got the name from another program, and is moved to another
     * segment name. Any other file is kept for inspection under another name.
     */
    private @Nullable String nameForOccupant(String name, Predecessor predecessor) throws IOException {
        Path directory = options.directory();
        if (!files.list(directory).contains(name)
                || !hasContent(directory.resolve(name))
                || isUnused(directory.resolve(name))) {
            return null;
        }
        try (SegmentScan scan = SegmentScan.open(files, directory.resolve(name))) {
            SegmentHeader header = scan == null ? predecessor.bare() : scan.header();
            if (header == null || !header.logId().equals(logId)) {
                return SegmentNames.freeBrokenName(files, directory, name);
            }
            boolean isReplaced = predecessor.bare() != null && header.id().equals(predecessor.id());
            return isReplaced ? null : SegmentNames.freeRotatedName(files, directory, name);
        }
    }

    /**
     * Returns whether the file is a segment that a failed call of {@link #open} left behind. If nothing was appended to
     * the predecessor and the day is the same, that segment has replaced the predecessor.
     */
    boolean isUnused(Path file) throws IOException {
        return unused != null
                && files.status(file)
                        .filter(status -> status.identity().equals(unused))
                        .isPresent();
    }

    /**
     * Sets aside a nonempty file that has the name of a vanished segment: a new file of another program, or the remains
     * of the segment. If records were appended to the segment and the file begins with the segment's header, the file
     * is left in place, because the next start can read it.
     */
    void clearNameOf(Segment vanished) throws IOException {
        Path path = vanished.path();
        if (hasContent(path) && !(vanished.hasRecords() && SegmentWatch.beginsAs(files, vanished))) {
            files.move(
                    path,
                    options.directory()
                            .resolve(SegmentNames.freeBrokenName(files, options.directory(), vanished.name())));
            files.forceDirectory(options.directory());
        }
    }

    /** Returns whether a file exists and is not empty; an empty file is not a segment and may be replaced. */
    private boolean hasContent(Path file) throws IOException {
        return files.status(file).filter(status -> status.bytes() > 0).isPresent();
    }

    /**
     * Returns the name of the file, possibly compressed, that now contains a vanished segment. Returns null if the
     * segment still has its own name, no file in the directory contains it, or the directory can't be read.
     */
    @Nullable
    String nameOf(Segment vanished) throws TooManyFilesException {
        Path directory = options.directory();
        try {
            if (vanished.isUnderItsName(files)) {
                // the segment was truncated in place, as by logrotate's copytruncate; the copy that logrotate made
                // before is incomplete
                return null;
            }
            List<String> names = files.list(directory).stream()
                    .filter(name -> name.startsWith(vanished.name()) && !name.equals(vanished.name()))
                    .filter(name -> SegmentNames.isSegmentName(name, options.prefix()))
                    .toList();
            for (String name : names) {
                if (files.status(directory.resolve(name))
                        .filter(status -> status.identity().equals(vanished.identity()))
                        .isPresent()) {
                    return name;
                }
            }
            for (String name : names) {
                try (SegmentScan scan = SegmentScan.open(files, directory.resolve(name))) {
                    if (scan != null
                            && scan.header().id().equals(vanished.header().id())) {
                        return name;
                    }
                }
            }
            return null;
        } catch (TooManyFilesException e) {
            throw e; // the segment may still exist
        } catch (IOException e) {
            return null;
        }
    }

    /** Removes a partly opened segment; if that fails, the next start removes it. */
    private void abandon(Path opening, OpenFile file, Throwable failure) {
        try {
            file.close();
            if (files.list(options.directory()).contains(String.valueOf(opening.getFileName()))) {
                files.delete(opening);
            }
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    /**
     * The check that the file with the active segment's name still is the active segment. An open file that was moved,
     * removed, replaced or emptied accepts writes without an error, but the next start would not find the written
     * records.
     */
    static final class SegmentWatch {
        private SegmentWatch() {}

        /**
         * Returns whether the file with the active segment's name is the active segment and was not truncated; true if
         * the disk fails. Any thread.
         */
        static boolean exists(FileOps files, Segment segment) {
            try {
                long atLeast = segment.position();
                Optional<FileStatus> status = files.status(segment.path());
                return status.isPresent()
                        && isSame(status.get(), segment)
                        && status.get().bytes() >= atLeast
                        && beginsAs(files, segment);
            } catch (IOException e) {
                return true; // the next append reports a failing disk
            }
        }

        static boolean isSame(FileStatus status, Segment segment) {
            return status.identity().equals(segment.identity());
        }

        /**
         * Returns whether the file with a segment's name begins with that segment's header. A file that was truncated
         * to zero bytes does not, because the next write leaves a hole at its beginning.
         */
        static boolean beginsAs(FileOps files, Segment segment) throws IOException {
            byte[] expected = segment.beginning();
            try (OpenFile file = files.openForReading(segment.path())) {
                return file.readUpTo(0, expected.length).equals(ByteBuffer.wrap(expected));
            } catch (NoSuchFileException | FileNotFoundException e) {
                return false;
            }
        }
    }
}
