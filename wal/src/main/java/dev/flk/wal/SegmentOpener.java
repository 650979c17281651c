// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.FileOps.FileStatus;
import dev.flk.wal.FileOps.OpenFile;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Opens segments: the header is written under another name, forced, given its name, and the directory forced; only then is the
 * segment used. A segment to which nothing was appended is replaced by the next one of the same name, which repeats what it
 * carried.
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
     * What a segment goes on from.
     *
     * @param carried what it repeats of that
     * @param name of the earlier segment, as it was opened; "-" if there is none
     * @param end where what it repeats began in there, or would
     * @param id of the earlier segment; "-" if there is none
     * @param bare the header of the earlier one if nothing was appended to it; else null
     */
    record Predecessor(
            List<LogRecord> carried,
            String name,
            long end,
            String id,
            @Nullable SegmentHeader bare) {
        static final Predecessor NONE = new Predecessor(List.of(), "-", 0, SegmentHeader.NO_ID, null);
    }

    /** Opens the segment that follows; when it returns, header and directory entry are on disk. */
    Segment open(long next, Predecessor predecessor) throws IOException {
        long ordinal = nextOrdinal++;
        long millis = Math.max(0, clock.millis());
        List<LogRecord> carried = predecessor.carried();
        String name = name(next, millis);
        // nothing was appended to it, so that it may go: this one continues what it continued
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
        Path opening = directory.resolve(options.prefix() + SegmentList.OPENING + ordinal);
        OpenFile file = files.create(opening);
        try {
            ByteBuffer bytes = header.encode();
            int length = bytes.remaining();
            file.write(bytes, 0);
            file.force();
            Object identity = files.status(opening)
                    .orElseThrow(() -> new NoSuchFileException(opening.toString()))
                    .identity();
            if (!name.equals(predecessor.name())
                    && files.list(directory).contains(name)
                    && hasContent(directory.resolve(name))) {
                // no segment of ours, or it would be the previous one; never overwrite what may be needed as evidence
                files.move(
                        directory.resolve(name), directory.resolve(SegmentList.freeBrokenName(files, directory, name)));
            }
            lock.requireHeld(); // the name may be that of another process's segment by now
            files.move(opening, directory.resolve(name));
            files.forceDirectory(directory);
            return new Segment(name, directory.resolve(name), header, file, identity, length, nanoTicker.getAsLong());
        } catch (IOException | RuntimeException e) {
            abandon(opening, file, e);
            throw e;
        }
    }

    /**
     * Sets aside a file that has the name of a vanished segment: another program's new file, or the remains of ours. A copy of ours with
     * records stays: a start can read it.
     */
    void clearNameOf(Segment vanished) throws IOException {
        Path path = vanished.path();
        if (hasContent(path) && !(vanished.hasRecords() && SegmentWatch.beginsAs(files, vanished))) {
            files.move(
                    path,
                    options.directory()
                            .resolve(SegmentList.freeBrokenName(files, options.directory(), vanished.name())));
            files.forceDirectory(options.directory());
        }
    }

    /** An empty file is no segment, and may be replaced. */
    private boolean hasContent(Path file) throws IOException {
        return files.status(file).filter(status -> status.bytes() > 0).isPresent();
    }

    /**
     * The file that holds a segment that is not under its own name any more, perhaps compressed; null if there is none in the directory,
     * or if that can't be found out.
     */
    @Nullable
    String nameOf(Segment vanished) {
        Path directory = options.directory();
        try {
            if (vanished.isUnderItsName(files)) {
                return null; // emptied in place; what copytruncate copied before is not all of it
            }
            List<String> names = files.list(directory).stream()
                    .filter(name -> name.startsWith(vanished.name()) && !name.equals(vanished.name()))
                    .filter(name -> SegmentList.isSegmentName(name, options.prefix()))
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
        } catch (IOException e) {
            return null;
        }
    }

    /** Leaves no half-opened segment behind, as far as the disk lets us; the next start removes what is left. */
    private void abandon(Path opening, OpenFile file, Exception failure) {
        try {
            file.close();
            if (files.list(options.directory()).contains(String.valueOf(opening.getFileName()))) {
                files.delete(opening);
            }
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    private String name(long next, long millis) {
        LocalDate day = LocalDate.ofInstant(Instant.ofEpochMilli(millis), ZoneOffset.UTC);
        return "%s-%04d%02d%02d-%016d%s"
                .formatted(
                        options.prefix(),
                        day.getYear(),
                        day.getMonthValue(),
                        day.getDayOfMonth(),
                        next,
                        SegmentList.SUFFIX);
    }

    /**
     * Checks that the active segment still is the file of its name: one that was moved, removed, replaced or emptied accepts writes
     * without an error, but no start would find them. Checked from time to time, not for each write.
     */
    static final class SegmentWatch {
        private SegmentWatch() {}

        /** Any thread; a segment that was completed meanwhile is none to ask about. Where the disk fails to tell, it is there. */
        static boolean isThere(FileOps files, Segment segment) {
            try {
                long atLeast = segment.position();
                Optional<FileStatus> status = files.status(segment.path());
                return status.isPresent()
                        && isSame(status.get(), segment)
                        && status.get().bytes() >= atLeast
                        && beginsAs(files, segment);
            } catch (IOException e) {
                return true; // a failing disk shows at the next append
            }
        }

        static boolean isSame(FileStatus status, Segment segment) {
            return status.identity().equals(segment.identity());
        }

        /** Whether the file under a segment's name begins with its header; one that was emptied begins with a hole once written to. */
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
