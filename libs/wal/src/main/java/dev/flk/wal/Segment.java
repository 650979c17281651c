// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.SegmentOpener.SegmentWatch;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.segment.SegmentHeader;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Objects;

/**
 * The active segment. The writer's thread owns it. Of the methods that change the segment, the filler's thread calls
 * only {@link #claimFill} and {@link #filled}, which keep the filler from writing where the writer writes.
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

    /** The end of the forced records, in bytes. Only the writer changes it. */
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

    /** Returns the identity of the file, which does not depend on the file's name (see {@link FileOps.FileStatus}). */
    Object identity() {
        return identity;
    }

    /** Returns the first bytes of the file, which no other segment has. */
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
     * Writes and forces a group. After an exception nothing more may be written to this segment.
     *
     * @throws SegmentMovedException if the file no longer has its name; the group may then get lost with the file
     */
    void append(ByteBuffer group, FileOps files) throws IOException {
        long end = position + group.remaining();
        reserve(end);
        file.write(group, position);
        file.force();
        if (hasFillFailed()) {
            throw new IOException("an fsync of the zeros ahead of the records failed in " + path
                    + ", so records that were forced at the same time may not be on disk");
        }
        if (!isUnderItsName(files)) {
            throw new SegmentMovedException(path);
        }
        position = end;
    }

    /** Returns whether the open file still has its name. */
    boolean isUnderItsName(FileOps files) throws IOException {
        return files.status(path)
                .filter(status -> status.identity().equals(identity))
                .isPresent();
    }

    /**
     * An error that reports that another program renamed, removed or replaced the file while a group was written to it.
     */
    static final class SegmentMovedException extends IOException {
        private static final long serialVersionUID = 1;

        SegmentMovedException(Path path) {
            super(path + " was renamed, removed or replaced while it was written to");
        }
    }

    /** Truncates the file to its records and forces it, which completes the segment. */
    void complete() throws IOException {
        stopFilling();
        file.truncate(position);
        file.force();
    }

    /** Reserves the file up to {@code end} for the writer; blocks while the filler writes there. */
    private synchronized void reserve(long end) {
        awaitFillerBelow(end);
        reserved = end;
    }

    /** Stops filling; blocks until the running step of the filler, if there is one, has ended. */
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
                interrupted = true; // wait on, and set the interrupt again at the end
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Claims the next step of filling and returns its offset. Returns -1 if enough zeros are written ahead, another
     * step is running, or filling has stopped.
     */
    synchronized long claimFill(int aheadBytes) {
        if (!isFillDue(aheadBytes)) {
            return -1;
        }
        long from = fillFrom();
        filling = true;
        filledTo = from;
        return from;
    }

    /** Returns whether {@link #claimFill} would return an offset. */
    synchronized boolean isFillDue(int aheadBytes) {
        return fillable && !filling && fillFrom() - reserved < aheadBytes;
    }

    private long fillFrom() {
        return Math.max(filledTo, roundUp(reserved));
    }

    /** Ends a claimed step; {@code to} is the offset up to which the file is filled. */
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

    /** The result of a step of filling. */
    enum FillResult {
        DONE,
        /** The zeros could not be written; the segment continues without them. */
        GIVEN_UP,
        /** An fsync failed. A later fsync of this segment proves nothing. */
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
     * A filler that writes zeros ahead of the writer, so that an fsync of records writes data and no metadata. The
     * filler uses its own file descriptor: the kernel reports a disk error once per descriptor, and the writer must not
     * miss an error because the filler received it.
     */
    static final class FillAhead {
        /** The size of a step. It is small because writing and forcing zeros delay the writer. */
        private static final int STEP_BYTES = 256 * 1024;

        private final FileOps files;
        private final int aheadBytes;
        private final int stepBytes;
        private final long keepFreeBytes;
        private final ByteBuffer zeros;

        /** @param aheadBytes how many zeros to write ahead; 0 disables filling */
        FillAhead(FileOps files, int aheadBytes, long keepFreeBytes) {
            this.files = files;
            this.aheadBytes = aheadBytes;
            this.stepBytes = Math.min(aheadBytes, STEP_BYTES);
            this.keepFreeBytes = keepFreeBytes;
            this.zeros = ByteBuffer.allocateDirect(stepBytes);
        }

        /** Returns whether a step is due. */
        boolean isDue(Segment segment) {
            return stepBytes > 0 && segment.isFillDue(aheadBytes);
        }

        /** Runs one step if one is due; returns false if there was nothing to do. Does not throw if the disk fails. */
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
                    return result; // never write to the file of another process
                }
                if (files.usableBytes(Objects.requireNonNull(segment.path().getParent())) < keepFreeBytes + stepBytes) {
                    return result;
                }
                file.write(zeros.clear(), from);
                result = FillResult.FORCE_FAILED;
                file.force();
                result = FillResult.DONE;
            } catch (IOException e) {
                // not thrown: if the disk is full or failing, the next append fails as well and reports it
                return result;
            }
            return result;
        }
    }
}
