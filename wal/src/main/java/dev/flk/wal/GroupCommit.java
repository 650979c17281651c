// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Log.Append;
import dev.flk.wal.LogRecord.Position;
import dev.flk.wal.Recovery.UnprovenTail;
import dev.flk.wal.Segment.SegmentMovedException;
import dev.flk.wal.SegmentOpener.Predecessor;
import dev.flk.wal.SegmentOpener.SegmentWatch;
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
 * The writer's step: takes all that is queued, one write, one force, completes all. No timer: a lone append waits one force, a
 * thousand share one. One thread (or a simulation) calls {@link #step}; {@link AppendQueue} is how others hand over.
 *
 * <p>A group whose write or force fails is failed as a whole, and its sequence numbers are used again. Nothing is written to that segment
 * any more: what a failed force leaves on the disk is unknown. The next segment is opened at once; its header says where the old one
 * ends, before the failed group, and repeats the acknowledged records whose disk block the failed write may have hurt ({@code
 * UnprovenTail} in {@link Recovery}). Until a segment could be opened, every append fails.
 */
final class GroupCommit {
    /** How often one group is moved to another segment because its own was renamed. */
    private static final int MOST_MOVES = 3;

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

    /** What the next segment goes on from; null while the present one can be written to. */
    private @Nullable Predecessor leaving;

    /** A segment that another program moved, removed or emptied; null if none. */
    private volatile @Nullable Segment gone;

    /** The vanished segment that the listener knows of; the next one may not be open yet. */
    private volatile @Nullable Segment toldGone;

    private volatile boolean retryAsked;

    /** Why the log was given up; null while this process owns it. Nothing is written after that. */
    private volatile @Nullable LockLostException lockLost;

    /** Whether the listener knows; of the writer's thread. */
    private boolean lossReported;

    /** Those who want the present segment closed. */
    private final Queue<CompletableFuture<Void>> seals = new ConcurrentLinkedQueue<>();

    private volatile Segment published;
    private volatile long forcedEnd;

    /** Why nothing can be appended; null while the last append succeeded, or a segment was opened since. */
    private volatile @Nullable IOException problem;

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

    /** The segment that is appended to; any thread. */
    Segment segment() {
        return published;
    }

    /** Everything below this sequence is on disk; any thread. */
    long forcedEnd() {
        return forcedEnd;
    }

    /** Somebody else moved, removed or emptied it: the next step leaves it. Any thread. */
    void vanished(Segment found) {
        if (found != toldGone) { // else it was left, and the next one can't be opened
            gone = found;
            boolean unused = queue.nudge();
        }
    }

    /** The next step closes the segment, if there is a record in it, and opens another. Any thread. */
    CompletableFuture<Void> seal() {
        CompletableFuture<Void> sealed = new CompletableFuture<>();
        seals.add(sealed);
        return sealed;
    }

    /** Nobody will close a segment any more. Any thread. */
    void refuseSeals(IOException cause) {
        for (CompletableFuture<Void> seal = seals.poll(); seal != null; seal = seals.poll()) {
            seal.completeExceptionally(cause);
        }
    }

    /** Leaves a segment that vanished or is to be sealed; writes and forces one group. False if there was nothing to do. */
    boolean step() {
        reportLoss();
        boolean left = leaveVanished() || reopenAsAsked();
        boolean sealed = sealAsAsked();
        List<Append> group = queue.take(options.sizes().maxGroupBytes());
        if (group.isEmpty()) {
            return left || sealed;
        }
        IOException failure = commit(group);
        if (failure == null) {
            completeForced(group);
        } else {
            if (lockLost == null) {
                failed(failure);
            }
            for (Append append : group) {
                append.failed(failure);
            }
        }
        listener.groupEnded();
        if (leaving != null && lockLost == null) {
            reopen();
        }
        reportLoss();
        return true;
    }

    /**
     * Checks the lock file; once it is lost, the next step reports it, and everything that is appended fails. Any thread.
     *
     * @return whether this process owns the log; also true if that can't be found out now
     */
    boolean watchLock() {
        if (lockLost == null) {
            try {
                lock.requireHeld();
            } catch (LockLostException e) {
                lockLost = e;
                boolean unused = queue.nudge();
            } catch (IOException e) {
                return true; // a failing disk shows at the next append
            }
        }
        return lockLost == null;
    }

    /** Why nothing is written any more; empty while this process owns the log. Any thread. */
    Optional<LockLostException> lockLost() {
        return Optional.ofNullable(lockLost);
    }

    /** What was forced before this returns was forced before any other process could lock the log. */
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
            problem = lost;
            listener.lockLost(lost);
        }
    }

    private boolean leaveVanished() {
        if (gone == null || lockLost != null) {
            return false;
        }
        if (gone != segment) {
            gone = null; // it was left meanwhile
            return false;
        }
        giveUpSegment();
        reopen();
        return true;
    }

    private boolean sealAsAsked() {
        CompletableFuture<Void> seal = seals.poll();
        if (seal == null) {
            return false;
        }
        try {
            requireLock();
            if (leaving == null && hasRecords()) {
                completeSegment();
            }
            if (leaving != null) {
                openNext();
            }
            seal.complete(null);
        } catch (IOException | RuntimeException e) {
            giveUpSegment();
            seal.completeExceptionally(e);
        }
        return true;
    }

    /** Null if the group is on disk; else why not, and then this segment is not written to any more. */
    private @Nullable IOException commit(List<Append> group) {
        try {
            if (lockLost != null) {
                throw lockLost;
            }
            ensureWritable();
            for (int moved = 0; !append(group); moved++) {
                if (moved == MOST_MOVES) {
                    throw new IOException(segment.name() + ": each new segment is renamed or removed at once");
                }
                openNext();
            }
            return null;
        } catch (IOException e) {
            giveUpSegment();
            return e;
        } catch (RuntimeException | Error e) {
            // whatever it is, those who wait are told, and the writer goes on
            giveUpSegment();
            return new IOException("the log's writer failed: " + e, e);
        }
    }

    /** Tells that nothing will come of these. Only after the last step. */
    void refuse(List<Append> left, IOException cause) {
        left.forEach(append -> append.failed(cause));
        listener.groupEnded();
    }

    /**
     * Closes the present segment, complete, and opens an empty one behind it: that proves the last group as any later group would,
     * so that a start can tell damage of it from a torn tail. Only after the last step.
     */
    void close() throws IOException {
        if (lockLost != null) {
            segment.close();
            return;
        }
        try {
            boolean unused = leaveVanished();
            if (leaving == null && hasRecords()) {
                completeSegment();
            }
            if (leaving != null) {
                openNext();
            }
            segment.complete();
        } finally {
            segment.close();
        }
    }

    private void completeSegment() throws IOException {
        segment.complete();
        leaving = new Predecessor(
                List.of(), segment.name(), segment.position(), segment.header().id(), null);
    }

    private boolean hasRecords() {
        return nextSequence > segment.header().next();
    }

    private void ensureWritable() throws IOException {
        if (leaving == null && segment.hasFillFailed()) {
            giveUpSegment();
        }
        if (leaving != null) {
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
        Predecessor from = Objects.requireNonNull(leaving);
        if (toldGone != segment && (gone == segment || !SegmentWatch.isThere(files, segment))) {
            listener.vanished(segment.name(), opener.nameOf(segment));
            opener.clearNameOf(segment);
            toldGone = segment;
        }
        gone = null;
        Segment opened = opener.open(nextSequence, from);
        Segment left = segment;
        segment = opened;
        published = opened;
        leaving = null;
        problem = null;
        tail.clear();
        closeLeft(left);
        listener.opened(opened.name());
    }

    /** What was acknowledged in it was forced, or stands in the next one, too. */
    private static void closeLeft(Segment left) {
        try {
            left.close();
        } catch (IOException e) {
            // nothing hangs on it any more
        }
    }

    /** Right after a failure, so that what is repeated there is on disk again before anything else happens. */
    private void reopen() {
        try {
            openNext();
        } catch (IOException e) {
            failed(e); // tried again before the next group, and when it is asked for
        } catch (RuntimeException | Error e) {
            failed(new IOException("the log's next segment could not be opened: " + e, e));
        }
    }

    private void failed(IOException cause) {
        IOException told = inWords(cause);
        problem = told;
        listener.failed(told);
    }

    /** Of a file that is not there the JDK says its name, and nothing else. */
    private static IOException inWords(IOException cause) {
        return cause instanceof NoSuchFileException gone && gone.getReason() == null
                ? new IOException(gone.getFile() + ": no such file or directory", gone)
                : cause;
    }

    /** Why nothing can be appended; empty while the last append succeeded, or another segment's header was forced since. Any thread. */
    Optional<IOException> problem() {
        return Optional.ofNullable(problem);
    }

    /** The next step tries to open the segment that could not be opened before, if there is one. Any thread. */
    void retry() {
        if (problem != null && lockLost == null) {
            retryAsked = true;
            boolean unused = queue.nudge();
        }
    }

    private boolean reopenAsAsked() {
        if (!retryAsked || lockLost != null) {
            return false;
        }
        retryAsked = false;
        if (leaving == null) {
            return false;
        }
        try {
            openNext();
        } catch (IOException e) {
            problem = inWords(e); // which was told when it began
        } catch (RuntimeException | Error e) {
            problem = new IOException("the log's next segment could not be opened: " + e, e);
        }
        return true;
    }

    /** Nothing is written to or forced in this segment any more; the next one repeats what may have been hurt. */
    private void giveUpSegment() {
        if (leaving != null) {
            return;
        }
        segment.stopFilling();
        tail.dropBefore(segment.position());
        List<LogRecord> carried =
                hasRecords() ? tail.records() : segment.header().carried();
        leaving = new Predecessor(
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
     * Writes and forces the group; false if the file was renamed or removed meanwhile, as by logrotate: its last records may get lost,
     * so the group must go to the next segment under the same sequences.
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
        problem = null;
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
