// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Log.Append;
import dev.flk.wal.Recovery.UnprovenTail;
import dev.flk.wal.Segment.SegmentMovedException;
import dev.flk.wal.SegmentOpener.Predecessor;
import dev.flk.wal.SegmentOpener.SegmentWatch;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.LogRecord.Position;
import dev.flk.wal.segment.RecordFormat;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The writer of a log. Each step takes the queued appends, up to the maximum size of a group, writes them together,
 * forces the file once and completes the appends. There is no timer: a single append waits for one fsync, and a
 * thousand appends share one. One thread (or a simulation) calls {@link #step}; other threads pass appends to it
 * through the {@link AppendQueue}.
 *
 * <p>If a write or an fsync fails, the whole group fails, and the next group gets the same sequences. Nothing more is
 * written to the segment, because a failed fsync leaves unknown content on the disk. The next segment is opened at
 * once. The header of the next segment contains the offset in the old segment at which the next segment takes over. The
 * header also repeats the acknowledged records that the failed write may have damaged ({@code UnprovenTail} in {@link
 * Recovery}). Every append fails until a segment can be opened.
 */
final class GroupCommit {
    /**
     * The maximum number of times that one group is written again. A group is written again, to a new segment, if
     * another program moved the segment to which the group was written.
     */
    private static final int MAX_MOVES = 3;

    private final FileOps files;
    private final LogOptions options;
    private final FileOps.Lock lock;
    private final SegmentOpener opener;
    private final AppendQueue queue;
    private final LogListener listener;
    private final LongSupplier nanoTicker;
    private final UnprovenTail tail = new UnprovenTail();
    private ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 16);
    private Segment segment;
    private long nextSequence;

    /** The segment that the next segment continues; null while the active segment can be written to. */
    private @Nullable Predecessor nextPredecessor;

    /**
     * The segment that was last found to be moved, removed or emptied by another program; null once the writer has left
     * that segment.
     */
    private volatile @Nullable Segment gone;

    /**
     * The last segment that was reported to the listener as vanished, or that a failed attempt to open the next segment
     * has replaced. The segment after it may not be open yet.
     */
    private volatile @Nullable Segment reportedGone;

    private volatile boolean retryAsked;

    /** The reason why this process no longer owns the log and writes nothing more; null while it owns the log. */
    private volatile @Nullable LockLostException lockLost;

    /** Whether the loss of the lock was reported to the listener. Only the writer's thread uses it. */
    private boolean lossReported;

    /** Requests to close the active segment. */
    private final Queue<CompletableFuture<Void>> seals = new ConcurrentLinkedQueue<>();

    private volatile Segment published;
    private volatile long forcedEnd;

    /**
     * The reason why nothing can be appended; null if an append has succeeded or a segment was opened since the last
     * failure.
     */
    private volatile @Nullable IOException failure;

    GroupCommit(
            FileOps files,
            LogOptions options,
            FileOps.Lock lock,
            SegmentOpener opener,
            AppendQueue queue,
            LogListener listener,
            LongSupplier nanoTicker,
            Segment segment) {
        this.files = files;
        this.options = options;
        this.lock = lock;
        this.opener = opener;
        this.queue = queue;
        this.listener = listener;
        this.nanoTicker = nanoTicker;
        this.segment = segment;
        this.published = segment;
        this.nextSequence = segment.header().next();
        this.forcedEnd = nextSequence;
    }

    /** Returns the active segment. Any thread. */
    Segment segment() {
        return published;
    }

    /** Returns the sequence after the last record on disk. Any thread. */
    long forcedEnd() {
        return forcedEnd;
    }

    /**
     * Makes the next step stop writing to a segment that another program moved, removed or emptied, and open another
     * segment. Any thread.
     */
    void vanished(Segment found) {
        // a segment that was reported as vanished is ignored: the writer has left that segment, even if the next
        // segment could not be opened yet
        if (found != reportedGone) {
            gone = found;
            queue.nudge();
        }
    }

    /**
     * Makes the next step close the active segment and open another, if records were appended to the active one. Any
     * thread.
     */
    CompletableFuture<Void> seal() {
        CompletableFuture<Void> sealed = new CompletableFuture<>();
        seals.add(sealed);
        return sealed;
    }

    /** Fails all requests to close a segment. Any thread. */
    void refuseSeals(IOException cause) {
        for (CompletableFuture<Void> seal = seals.poll(); seal != null; seal = seals.poll()) {
            seal.completeExceptionally(cause);
        }
    }

    /**
     * Opens another segment if the active segment vanished, if a caller asked to seal it, or if {@link #retry} was
     * called after a failed attempt to open one. Then writes and forces one group if appends are queued. Returns false
     * if there was nothing to do.
     */
    boolean step() {
        reportLoss();
        boolean left = leaveVanished() || reopenAsAsked();
        boolean sealed = sealAsAsked();
        List<Append> group = queue.take(options.sizes().maxGroupBytes());
        if (group.isEmpty()) {
            reportLoss(); // a loss that was found while opening or sealing a segment
            return left || sealed;
        }
        IOException cause = commit(group);
        if (cause == null) {
            completeForced(group);
        } else {
            if (lockLost == null) {
                failed(cause);
            }
            for (Append append : group) {
                append.failed(cause);
            }
        }
        listener.groupEnded();
        if (nextPredecessor != null && lockLost == null) {
            reopen();
        }
        reportLoss();
        return true;
    }

    /**
     * Checks the lock file. If the lock is lost, the next step reports the loss, and every following append fails. Any
     * thread.
     *
     * @return whether this process owns the log; true if the lock file can't be checked
     */
    boolean watchLock() {
        if (lockLost == null) {
            try {
                lock.requireHeld();
            } catch (LockLostException e) {
                lockLost = e;
                queue.nudge();
            } catch (IOException e) {
                return true; // the next append reports a failing disk
            }
        }
        return lockLost == null;
    }

    /** Makes every following append fail. Any thread. */
    void giveUp(LockLostException cause) {
        if (lockLost == null) {
            lockLost = cause;
            queue.nudge();
        }
    }

    /** Returns why this process no longer owns the log; empty while the process owns the log. Any thread. */
    Optional<LockLostException> lockLost() {
        return Optional.ofNullable(lockLost);
    }

    /**
     * Checks that this process still holds the lock. If the check succeeds after an fsync, no other process can have
     * locked the log before that fsync.
     */
    private void requireLock() throws IOException {
        if (lockLost != null) {
            throw lockLost;
        }
        try {
            lock.requireHeld();
        } catch (LockLostException e) {
            lockLost = e;
            throw e;
        }
    }

    private void reportLoss() {
        LockLostException lost = lockLost;
        if (lost != null && !lossReported) {
            lossReported = true;
            failure = lost;
            listener.lockLost(lost);
        }
    }

    private boolean leaveVanished() {
        if (gone == null || lockLost != null) {
            return false;
        }
        if (gone != segment) {
            gone = null; // this segment has been left already
            return false;
        }
        giveUpSegment();
        reopen();
        return true;
    }

    private boolean sealAsAsked() {
        boolean isAsked = false;
        for (CompletableFuture<Void> seal = seals.poll(); seal != null; seal = seals.poll()) {
            seal(seal);
            isAsked = true;
        }
        return isAsked;
    }

    private void seal(CompletableFuture<Void> seal) {
        try {
            requireLock();
            if (nextPredecessor == null && hasRecords()) {
                completeSegment();
            }
            if (nextPredecessor != null) {
                openNext();
            }
            seal.complete(null);
        } catch (IOException | RuntimeException | Error e) { // must not end the writer
            giveUpSegment();
            seal.completeExceptionally(e);
        }
    }

    /**
     * Writes and forces a group. Returns null if the group is on disk, otherwise the failure; after a failure, nothing
     * more is written to this segment.
     */
    private @Nullable IOException commit(List<Append> group) {
        try {
            if (lockLost != null) {
                throw lockLost;
            }
            ensureWritable();
            for (int moves = 0; !append(group); moves++) {
                if (moves == MAX_MOVES) {
                    throw new IOException(segment.name()
                            + ": every new segment is immediately renamed or removed by another program");
                }
                openNext();
            }
            return null;
        } catch (IOException e) {
            giveUpSegment();
            return e;
        } catch (RuntimeException | Error e) {
            // any failure must be reported to the callers, and must not end the writer
            giveUpSegment();
            return new IOException("the log's writer failed: " + e, e);
        }
    }

    /** Fails these appends. Called only after the last step. */
    void refuse(List<Append> left, IOException cause) {
        left.forEach(append -> append.failed(cause));
        listener.groupEnded();
    }

    /**
     * Completes the active segment and, if that segment has records, opens an empty one after it. The empty segment
     * proves that the last group was forced, as a later group would. If that group is damaged, the next start therefore
     * does not take it for a torn tail. If the lock is lost, only closes the file. Called only after the last step.
     */
    void close() throws IOException {
        if (lockLost != null) {
            segment.close();
            return;
        }
        try {
            leaveVanished();
            if (nextPredecessor == null && hasRecords()) {
                completeSegment();
            }
            if (nextPredecessor != null) {
                openNext();
            }
            segment.complete();
        } finally {
            segment.close();
        }
    }

    private void completeSegment() throws IOException {
        segment.complete();
        nextPredecessor = new Predecessor(
                List.of(), segment.name(), segment.position(), segment.header().id(), null);
    }

    private boolean hasRecords() {
        return nextSequence > segment.header().next();
    }

    private void ensureWritable() throws IOException {
        if (nextPredecessor == null && segment.hasFillFailed()) {
            giveUpSegment();
        }
        if (nextPredecessor != null) {
            openNext();
        } else if (isDueForRotation()) {
            completeSegment();
            openNext();
        }
    }

    private boolean isDueForRotation() {
        boolean old = Duration.ofNanos(nanoTicker.getAsLong() - segment.openedNanos())
                        .compareTo(options.sizes().segmentAge())
                >= 0;
        return hasRecords() && (old || segment.position() >= options.sizes().segmentBytes());
    }

    private void openNext() throws IOException {
        requireLock();
        Predecessor from = Objects.requireNonNull(nextPredecessor);
        if (reportedGone != segment && (gone == segment || !SegmentWatch.exists(files, segment))) {
            if (!opener.isUnused(segment.path())) {
                listener.vanished(segment.name(), opener.nameOf(segment));
                opener.clearNameOf(segment);
            }
            reportedGone = segment;
        }
        gone = null;
        Segment opened = opener.open(nextSequence, from);
        Segment left = segment;
        segment = opened;
        published = opened;
        nextPredecessor = null;
        failure = null;
        tail.clear();
        closeLeft(left);
        listener.opened(opened.name());
    }

    /**
     * Closes a segment that is no longer written to. Ignores a failure, which loses nothing: the segment's acknowledged
     * records were forced, or the next segment repeats them.
     */
    private static void closeLeft(Segment left) {
        try {
            left.close();
        } catch (IOException e) {
            // nothing depends on this file descriptor any more
        }
    }

    /**
     * Opens the next segment immediately after a failure, because that segment repeats the records that the failure may
     * have damaged.
     */
    private void reopen() {
        try {
            openNext();
        } catch (IOException e) {
            failed(e); // the next group and retry() try again
        } catch (RuntimeException | Error e) {
            failed(new IOException("the log's next segment could not be opened: " + e, e));
        }
    }

    private void failed(IOException cause) {
        IOException described = describe(cause);
        failure = described;
        listener.failed(described);
    }

    /** Adds the reason to an exception whose message is only the name of a missing file. */
    private static IOException describe(IOException cause) {
        return cause instanceof NoSuchFileException gone && gone.getReason() == null
                ? new IOException(gone.getFile() + ": no such file or directory", gone)
                : cause;
    }

    /**
     * Returns why nothing can be appended; empty if an append has succeeded or a segment was opened since the last
     * failure. Any thread.
     */
    Optional<IOException> failure() {
        return Optional.ofNullable(failure);
    }

    /** Makes the next step try again to open the segment that could not be opened, if there is one. Any thread. */
    void retry() {
        if (failure != null && lockLost == null) {
            retryAsked = true;
            queue.nudge();
        }
    }

    private boolean reopenAsAsked() {
        if (!retryAsked || lockLost != null) {
            return false;
        }
        retryAsked = false;
        if (nextPredecessor == null) {
            return false;
        }
        try {
            openNext();
        } catch (IOException e) {
            // this failure is not reported to the listener, which was called at the first failure
            failure = describe(e);
        } catch (RuntimeException | Error e) {
            failure = new IOException("the log's next segment could not be opened: " + e, e);
        }
        return true;
    }

    /** Stops writing to this segment; the next segment repeats the records that a failure may have damaged. */
    private void giveUpSegment() {
        if (nextPredecessor != null) {
            return;
        }
        segment.stopFilling();
        tail.dropBefore(segment.position());
        List<LogRecord> carried =
                hasRecords() ? tail.records() : segment.header().carried();
        nextPredecessor = new Predecessor(
                carried,
                segment.name(),
                carried.isEmpty()
                        ? segment.position()
                        : carried.get(0).position().offset(),
                segment.header().id(),
                hasRecords() ? null : segment.header());
    }

    private List<LogRecord> write(List<Append> group) {
        int bytes = 0;
        for (Append append : group) {
            for (Entry entry : append.entries()) {
                bytes += entry.body().length + RecordFormat.MAX_OVERHEAD_BYTES;
            }
        }
        if (bytes > buffer.capacity()) {
            buffer = ByteBuffer.allocateDirect(Integer.highestOneBit(bytes - 1) << 1);
        }
        buffer.clear();
        List<LogRecord> records = new ArrayList<>();
        byte[] seed = segment.header().seed();
        long sequence = nextSequence;
        for (Append append : group) {
            for (Entry entry : append.entries()) {
                long offset = segment.position() + buffer.position();
                RecordFormat.write(buffer, seed, sequence, nextSequence, entry);
                records.add(new LogRecord(
                        sequence,
                        nextSequence,
                        entry.arrivalMillis(),
                        entry.kind(),
                        entry.keyId(),
                        options.context(),
                        entry.body(),
                        new Position(segment.name(), offset)));
                sequence++;
            }
        }
        buffer.flip();
        return records;
    }

    /**
     * Writes and forces the group. Returns false if the file was renamed or removed meanwhile, for example by
     * logrotate. The last records of the file may then get lost, so the group must be written to the next segment, with
     * the same sequences.
     */
    private boolean append(List<Append> group) throws IOException {
        List<LogRecord> records = write(group);
        tail.dropBefore(segment.position());
        long start = nanoTicker.getAsLong();
        try {
            segment.append(buffer, files);
        } catch (SegmentMovedException e) {
            gone = segment;
            giveUpSegment();
            return false;
        }
        requireLock();
        listener.forced(records.size(), segment.position(), nanoTicker.getAsLong() - start);
        for (int i = 0; i < records.size(); i++) {
            long end = i + 1 < records.size() ? records.get(i + 1).position().offset() : segment.position();
            tail.add(records.get(i), end);
        }
        nextSequence += records.size();
        forcedEnd = nextSequence;
        failure = null;
        return true;
    }

    private void completeForced(List<Append> group) {
        long sequence = nextSequence;
        for (Append append : group) {
            sequence -= append.entries().size();
        }
        for (Append append : group) {
            append.forced(sequence);
            sequence += append.entries().size();
        }
    }
}
