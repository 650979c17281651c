// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.segment.BrokenFiles;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.SegmentBytes.GzippedFile;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentList.Listed;
import dev.flk.wal.segment.SegmentNames;
import dev.flk.wal.segment.Vanished;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.zip.GZIPOutputStream;

/**
 * The retention of closed segments. It compresses a closed segment after a while. It removes the oldest segment when
 * the segment is old enough and the caller has finished processing all of its records. It never removes unfinished
 * records, the newest segment, or files that were set aside. A segment that another program renamed is removed like the
 * others, but never compressed. One thread, which may run concurrently with the log's writer. A crash at any point
 * loses nothing.
 */
public final class Retention {
    private static final int CHUNK_BYTES = 256 * 1024;

    private final FileOps files;
    private final Path directory;
    private final String prefix;
    private final Duration compressAfter;
    private final Function<String, Duration> keep;
    private final InstantSource clock;

    /**
     * A step that is due for a segment.
     *
     * @param first the first sequence that counts in the segment
     * @param last the last sequence that counts; below {@code first} if no sequence counts
     */
    public record Due(String segment, long first, long last, Done what) {}

    /** The effect of {@link #step} on a segment; in a plan, the effect that the step would have. */
    public enum Done {
        NOTHING,
        COMPRESSED,
        REMOVED
    }

    /**
     * Creates a retention; the age of a segment counts from the time when the segment was closed.
     *
     * @param keep how long to keep records with a given context (see {@link LogOptions#context})
     * @param clock wall time; a caller must not run steps while it doubts the time
     */
    public Retention(
            FileOps files,
            Path directory,
            String prefix,
            Duration compressAfter,
            Function<String, Duration> keep,
            InstantSource clock) {
        this.files = files;
        this.directory = directory;
        this.prefix = prefix;
        this.compressAfter = compressAfter;
        this.keep = keep;
        this.clock = clock;
    }

    /**
     * Returns the last sequence that counts in the segment that {@link #step} would remove; empty if {@link #step}
     * would not remove a segment. The caller makes {@code finishedUpTo} durable before the step.
     */
    public OptionalLong wouldRemoveUpTo(long finishedUpTo) throws IOException {
        List<Listed> segments = segments();
        return isRemovable(segments, finishedUpTo)
                ? OptionalLong.of(segments.get(0).countedEnd() - 1)
                : OptionalLong.empty();
    }

    /** Returns all steps that are due now, in the order in which {@link #step} would run them. */
    public List<Due> plan(long finishedUpTo) throws IOException {
        List<Listed> segments = segments();
        List<Due> plan = new ArrayList<>();
        int left = 0;
        while (isRemovable(segments.subList(left, segments.size()), finishedUpTo)) {
            plan.add(due(segments.get(left), Done.REMOVED));
            left++;
        }
        for (int i = left; i + 1 < segments.size(); i++) {
            if (isCompressible(segments, i)) {
                plan.add(due(segments.get(i), Done.COMPRESSED));
            }
        }
        return plan;
    }

    private static Due due(Listed segment, Done what) {
        return new Due(segment.name(), segment.header().first(), segment.countedEnd() - 1, what);
    }

    /**
     * Runs one step, if one is due.
     *
     * @param finishedUpTo the sequence up to which the caller has finished all records
     */
    public Done step(long finishedUpTo) throws IOException {
        // the step is retried, because logrotate may rename the segment before the step removes it
        return Vanished.retry(() -> takeStep(finishedUpTo));
    }

    private List<Listed> segments() throws IOException {
        return list().segments();
    }

    private SegmentList list() throws IOException {
        return Vanished.retry(() -> SegmentList.read(files, directory, prefix));
    }

    private Done takeStep(long finishedUpTo) throws IOException {
        SegmentList list = list();
        List<Listed> segments = list.segments();
        if (isRemovable(segments, finishedUpTo)) {
            for (String leaving : list.leavingWithOldest()) {
                String name = SegmentNames.freeBrokenName(files, directory, leaving);
                files.move(directory.resolve(leaving), directory.resolve(name));
            }
            for (String copy : segments.get(0).copies()) {
                // otherwise the copy would take the place of the removed segment
                files.delete(directory.resolve(copy));
            }
            files.delete(directory.resolve(segments.get(0).name()));
            files.forceDirectory(directory);
            return Done.REMOVED;
        }
        for (int i = 0; i + 1 < segments.size(); i++) {
            if (isCompressible(segments, i)) {
                compress(segments.get(i).name());
                return Done.COMPRESSED;
            }
        }
        return Done.NOTHING;
    }

    /**
     * Returns whether to compress a segment. A renamed segment is left to the program that renamed it. A segment also
     * stays as it is if another file has the name of the compressed segment, such as a segment of another log.
     */
    private boolean isCompressible(List<Listed> segments, int index) throws IOException {
        Listed segment = segments.get(index);
        return segment.name().endsWith(SegmentNames.SUFFIX)
                && isOlder(segments.get(index + 1), compressAfter)
                && mayReplace(segment, segment.name() + SegmentNames.GZIP);
    }

    /** Returns whether no file has this name, or only an empty file or a copy of the segment. */
    private boolean mayReplace(Listed segment, String name) throws IOException {
        return segment.copies().contains(name)
                || files.status(directory.resolve(name))
                        .filter(status -> status.bytes() > 0)
                        .isEmpty();
    }

    private boolean isRemovable(List<Listed> segments, long finishedUpTo) {
        return segments.size() > 1
                && segments.get(0).countedEnd() - 1 <= finishedUpTo
                && isOlder(segments.get(1), keepOf(segments.get(0).header()));
    }

    private Duration keepOf(SegmentHeader header) {
        Duration longest = keep.apply(header.context());
        for (LogRecord record : header.carried()) {
            Duration one = keep.apply(record.context());
            longest = one.compareTo(longest) > 0 ? one : longest;
        }
        return longest;
    }

    /**
     * Returns whether the segment before {@code next} was closed at least {@code age} ago. A segment is closed when the
     * next one is opened.
     */
    private boolean isOlder(Listed next, Duration age) {
        // an age of zero does not depend on the clock, which may have been wrong at the opening
        return age.isZero() || clock.millis() - next.header().openedMillis() >= age.toMillis();
    }

    /**
     * Compresses a segment. Before the original is deleted, the compressed file is complete and on disk, and was read
     * back.
     */
    private void compress(String name) throws IOException {
        Path raw = directory.resolve(name);
        Path part = directory.resolve(name + SegmentNames.GZIP + SegmentNames.PART);
        Path compressed = directory.resolve(name + SegmentNames.GZIP);
        if (files.list(directory).contains(name + SegmentNames.GZIP + SegmentNames.PART)) {
            files.delete(part); // a crash interrupted an earlier compression
        }
        try {
            try (OpenFile source = files.openForReading(raw);
                    OpenFile target = files.create(part)) {
                write(source, target);
                target.force();
            }
            requireSame(raw, part);
        } catch (IOException e) {
            try {
                if (files.status(part).isPresent()) {
                    files.delete(part); // otherwise, each run would leave it on a disk that may be full
                }
            } catch (IOException left) {
                e.addSuppressed(left);
            }
            throw e;
        }
        files.move(part, compressed);
        files.forceDirectory(directory);
        files.delete(raw);
        files.forceDirectory(directory);
    }

    private static void write(OpenFile source, OpenFile target) throws IOException {
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES);
        try (OutputStream gzip = new GZIPOutputStream(new Appending(target), CHUNK_BYTES)) {
            long at = 0;
            for (int n = source.read(chunk.clear(), at); n > 0; n = source.read(chunk.clear(), at)) {
                gzip.write(chunk.array(), 0, n);
                at += n;
            }
        }
    }

    private void requireSame(Path raw, Path part) throws IOException {
        try (OpenFile expected = files.openForReading(raw);
                OpenFile actual = new GzippedFile(files.openForReading(part))) {
            if (!BrokenFiles.isSame(expected, actual)) {
                throw new IOException(
                        "the compressed copy of " + raw + " reads back differently; the segment was not replaced");
            }
        }
    }

    private static final class Appending extends OutputStream {
        private final OpenFile target;
        private long position;

        Appending(OpenFile target) {
            this.target = target;
        }

        @Override
        public void write(int b) throws IOException {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] source, int offset, int length) throws IOException {
            target.write(ByteBuffer.wrap(source, offset, length), position);
            position += length;
        }
    }
}
