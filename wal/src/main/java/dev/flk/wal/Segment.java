// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.FileOps.OpenFile;
import dev.flk.wal.SegmentOpener.SegmentWatch;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Objects;

/**
 * The segment that is being appended to. The writer's thread owns it, but for {@link #claimFill} and {@link #filled}, through
 * which the filling thread stays out of the writer's way.
 */
final class Segment implements Closeable {
    private final String name;
    private final Path path;
    private final SegmentHeader header;
    private final OpenFile file;
    private final Object identity;
    private final byte[] beginning;
    private final long headerEnd;
    private final long openedNanos;

    /** The end of what was written and forced; only the writer changes it. */
    private volatile long position;

    // guarded by this
    private long reserved;
    private long filledTo;
    private boolean filling;
    private boolean fillable = true;
    private boolean fillFailed;

    Segment(
            String name,
            Path path,
            SegmentHeader header,
            OpenFile file,
            Object identity,
            long position,
            long openedNanos) {
        this.name = name;
        this.path = path;
        this.header = header;
        this.file = file;
        this.identity = identity;
        this.beginning = header.firstBytes();
        this.headerEnd = position;
        this.position = position;
        this.reserved = position;
        this.filledTo = position;
        this.openedNanos = openedNanos;
    }

    String name() {
        return name;
    }

    Path path() {
        return path;
    }

    SegmentHeader header() {
        return header;
    }

    long position() {
        return position;
    }

    /** Tells this file from every other, whatever its name (see {@link FileOps.FileStatus}). */
    Object identity() {
        return identity;
    }

    /** Its first bytes, which no other file has. */
    byte[] beginning() {
        return beginning;
    }

    boolean hasRecords() {
        return position > headerEnd;
    }

    long openedNanos() {
        return openedNanos;
    }

    /**
     * Writes and forces a group. After an error nothing more may be written here.
     *
     * @throws SegmentMovedException if the file does not stand under its name any more: what was forced may be on its way out
     */
    void append(ByteBuffer group, FileOps files) throws IOException {
        long end = position + group.remaining();
        reserve(end);
        file.write(group, position);
        file.force();
        if (hasFillFailed()) {
            throw new IOException(
                    "forcing zeros ahead failed in " + path + "; what was forced with them is not proven");
        }
        if (!isUnderItsName(files)) {
            throw new SegmentMovedException(path);
        }
        position = end;
    }

    /** Whether the file that is written to is what stands under its name. */
    boolean isUnderItsName(FileOps files) throws IOException {
        return files.status(path)
                .filter(status -> status.identity().equals(identity))
                .isPresent();
    }

    /** Somebody renamed, removed or replaced the file while it was written to. */
    static final class SegmentMovedException extends IOException {
        private static final long serialVersionUID = 1;

        SegmentMovedException(Path path) {
            super(path + " was renamed, removed or replaced while it was written to");
        }
    }

    /** Cuts it to its length and forces that; it is complete then. */
    void complete() throws IOException {
        stopFilling();
        file.truncate(position);
        file.force();
    }

    /** Waits while zeros are being written where the writer wants to write, and keeps the filler from doing so later. */
    private synchronized void reserve(long end) {
        awaitFillerBelow(end);
        reserved = end;
    }

    /** No filling begins after this, and none is under way when it returns. */
    synchronized void stopFilling() {
        fillable = false;
        awaitFillerBelow(Long.MAX_VALUE);
    }

    private synchronized void awaitFillerBelow(long end) {
        boolean interrupted = false;
        while (filling && end > filledTo) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true; // an interrupted thread would close the file at its next write
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Where to fill the next step, or -1 if as much is filled ahead already, or another step is under way. */
    synchronized long claimFill(int aheadBytes) {
        long from = Math.max(filledTo, roundUp(reserved));
        if (!fillable || filling || from - reserved >= aheadBytes) {
            return -1;
        }
        filling = true;
        filledTo = from;
        return from;
    }

    /** Ends the step that was claimed. */
    synchronized void filled(long to, FillResult result) {
        filling = false;
        filledTo = to;
        switch (result) {
            case DONE -> {}
            case GIVEN_UP -> fillable = false;
            case FORCE_FAILED -> {
                fillable = false;
                fillFailed = true;
            }
        }
        notifyAll();
    }

    /** How a step of filling ended. */
    enum FillResult {
        DONE,
        /** The zeros could not be written; the segment goes on without. */
        GIVEN_UP,
        /** A force failed: what is forced later in this segment is not proven by that. */
        FORCE_FAILED
    }

    synchronized boolean hasFillFailed() {
        return fillFailed;
    }

    private static long roundUp(long value) {
        int block = SegmentHeader.BLOCK_BYTES;
        return (value + block - 1) / block * block;
    }

    @Override
    public void close() throws IOException {
        stopFilling();
        file.close();
    }

    /**
     * Writes zeros ahead of the writer, so that a force of records writes data only. It has a file descriptor of its own: an
     * error of the disk is reported once to each descriptor, and the writer must not miss one because the filler saw it.
     */
    static final class FillAhead {
        /** A write holds the file against the writer's, and a force of it holds up the writer's force: so little at a time. */
        private static final int STEP_BYTES = 256 * 1024;

        private final FileOps files;
        private final int aheadBytes;
        private final int stepBytes;
        private final long keepFreeBytes;
        private final ByteBuffer zeros;

        /** @param aheadBytes how far ahead to fill; 0 for not at all */
        FillAhead(FileOps files, int aheadBytes, long keepFreeBytes) {
            this.files = files;
            this.aheadBytes = aheadBytes;
            this.stepBytes = Math.min(aheadBytes, STEP_BYTES);
            this.keepFreeBytes = keepFreeBytes;
            this.zeros = ByteBuffer.allocateDirect(stepBytes);
        }

        /** Fills one step of the segment if one is due; false if there was nothing to do. Never throws for the disk's errors. */
        boolean step(Segment segment) {
            long from = stepBytes == 0 ? -1 : segment.claimFill(aheadBytes);
            if (from < 0) {
                return false;
            }
            FillResult result = FillResult.GIVEN_UP;
            try {
                result = write(segment, from);
            } finally {
                segment.filled(result == FillResult.DONE ? from + stepBytes : from, result);
            }
            return true;
        }

        private FillResult write(Segment segment, long from) {
            FillResult result = FillResult.GIVEN_UP;
            try (OpenFile file = files.openForWriting(segment.path())) {
                if (files.status(segment.path())
                        .filter(status -> SegmentWatch.isSame(status, segment))
                        .isEmpty()) {
                    return result; // the file of another process is never written to
                }
                if (files.usableBytes(Objects.requireNonNull(segment.path().getParent())) < keepFreeBytes + stepBytes) {
                    return result;
                }
                file.write(zeros.clear(), from);
                result = FillResult.FORCE_FAILED;
                file.force();
                result = FillResult.DONE;
            } catch (IOException e) {
                // a full or failing disk shows at the next append; what matters here stands in the result
                return result;
            }
            return result;
        }
    }
}
