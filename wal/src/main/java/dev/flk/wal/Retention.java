// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.FileOps.OpenFile;
import dev.flk.wal.SegmentBytes.GzippedFile;
import dev.flk.wal.SegmentList.Listed;
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
 * Compresses closed segments after a while, and removes them, oldest first, when they are old enough and all their records are
 * finished. It never removes unfinished records, the newest segment, or files that were set aside. A segment that another
 * program renamed is removed in its turn, but never compressed.
 * One thread; runs beside the log's writer, and a crash at any point loses nothing.
 */
public final class Retention {
    static final String GZIP = ".gz";
    static final String PART = ".part";
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
     * @param first the first sequence that counts in it
     * @param last the last one; below {@code first} if none does
     */
    public record Due(String segment, long first, long last, Done what) {}

    /** What a step did. */
    public enum Done {
        NOTHING,
        COMPRESSED,
        REMOVED
    }

    /**
     * Ages count from when a segment was closed.
     *
     * @param keep how long records with this context are kept (see {@link LogOptions#context})
     * @param clock wall time; callers that doubt it take no steps
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
     * The last sequence of the segment that {@link #step} would remove; before that, what {@code finishedUpTo} says must be durable.
     * Empty if it would remove none.
     */
    public OptionalLong wouldRemoveUpTo(long finishedUpTo) throws IOException {
        List<Listed> segments = segments();
        return isRemovable(segments, finishedUpTo)
                ? OptionalLong.of(segments.get(0).countedEnd() - 1)
                : OptionalLong.empty();
    }

    /** Everything that {@link #step}, repeated, would do now, in its order. */
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
     * Does one thing, if one is due.
     *
     * @param finishedUpTo every record up to this sequence is needed no more
     */
    public Done step(long finishedUpTo) throws IOException {
        return Vanished.retry(() -> takeStep(finishedUpTo)); // logrotate may rename what is to be removed
    }

    private List<Listed> segments() throws IOException {
        return Vanished.retry(() -> SegmentList.read(files, directory, prefix)).segments();
    }

    private Done takeStep(long finishedUpTo) throws IOException {
        List<Listed> segments = segments();
        if (isRemovable(segments, finishedUpTo)) {
            for (String copy : segments.get(0).copies()) {
                files.delete(directory.resolve(copy)); // else it would stand in for the segment
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

    /** A renamed segment is left to the program that renamed it. */
    private boolean isCompressible(List<Listed> segments, int index) {
        return segments.get(index).name().endsWith(SegmentList.SUFFIX)
                && isOlder(segments.get(index + 1), compressAfter);
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

    /** A segment was closed when the next one was opened. */
    private boolean isOlder(Listed next, Duration age) {
        // an age of nothing asks no clock, which may have been wrong then
        return age.isZero() || clock.millis() - next.header().openedMillis() >= age.toMillis();
    }

    /** The compressed file is whole, on disk, and was read back, before the other one goes. */
    private void compress(String name) throws IOException {
        Path raw = directory.resolve(name);
        Path part = directory.resolve(name + GZIP + PART);
        Path compressed = directory.resolve(name + GZIP);
        if (files.list(directory).contains(name + GZIP + PART)) {
            files.delete(part); // a crash left it
        }
        try (OpenFile source = files.openForReading(raw);
                OpenFile target = files.create(part)) {
            write(source, target);
            target.force();
        }
        requireSame(raw, part);
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
                throw new IOException("what was compressed of " + raw + " reads back differently; the segment is kept");
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
