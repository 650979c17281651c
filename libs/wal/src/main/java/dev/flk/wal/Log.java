// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Segment.FillAhead;
import dev.flk.wal.SegmentOpener.SegmentWatch;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentList.Listed;
import dev.flk.wal.segment.Vanished;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;

/**
 * An append-only log that one process owns. {@link #append} may be called from any thread and never waits for the disk;
 * an append is on disk when {@link Append#forced} is called. The log has two threads: the writer, and the filler, which
 * writes zeros ahead of the writer and notices when another program moves the active segment. The two threads must not
 * be interrupted.
 */
public final class Log implements Closeable {
    private static final long WATCH_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** The name of the lock file in a log directory. */
    public static final String LOCK_FILE = "lock";

    private final FileOps files;
    private final LogOptions options;
    private final FileOps.Lock lock;
    private final AppendQueue queue;
    private final GroupCommit commit;
    private final FillAhead fillAhead;
    private final StartReport report;
    private final LongSupplier nanoTicker;
    private final Thread writer;
    private final Thread filler;
    private volatile boolean closing;
    private boolean completed;
    private boolean closed;

    private Log(
            FileOps files,
            LogOptions options,
            FileOps.Lock lock,
            AppendQueue queue,
            GroupCommit commit,
            StartReport report,
            LongSupplier nanoTicker) {
        this.files = files;
        this.options = options;
        this.lock = lock;
        this.queue = queue;
        this.commit = commit;
        this.report = report;
        this.nanoTicker = nanoTicker;
        this.fillAhead = new FillAhead(
                files, options.sizes().fillAheadBytes(), options.sizes().keepFreeBytes());
        this.writer = new Thread(this::write, options.prefix() + "-writer");
        this.filler = new Thread(this::fill, options.prefix() + "-filler");
        // the threads do not keep the program running: a program that ends without closing the log loses no record that
        // is on disk
        writer.setDaemon(true);
        filler.setDaemon(true);
    }

    /** Opens the log with the system's clocks and starts its threads. See {@link #open}. */
    public static Log start(FileOps files, LogOptions options, LogListener listener) throws IOException {
        Log log = open(files, options, listener, InstantSource.system(), System::nanoTime, new SecureRandom());
        log.start();
        return log;
    }

    /**
     * Locks the directory, reads the newest segment, cuts off a torn tail, and opens a new segment. The new segment
     * repeats the last records of the previous segment, because no later record proves that these records were forced.
     * When this method returns, the header of the new segment is on disk; only then may the caller act on records of
     * the log. No thread runs before {@link #start}; a simulation calls {@link #step} instead.
     *
     * @throws LogLockedException if this or another process owns the directory
     * @throws DamagedLogException if records that had been forced are missing and {@link LogOptions#onDamage} is {@code
     *     STOP}
     */
    public static Log open(
            FileOps files,
            LogOptions options,
            LogListener listener,
            InstantSource clock,
            LongSupplier nanoTicker,
            RandomGenerator random)
            throws IOException {
        files.createDirectories(options.directory());
        FileOps.Lock lock = files.lock(options.directory().resolve(LOCK_FILE), options.holder());
        try {
            Recovery.Found found = Vanished.retry(() -> Recovery.run(files, options, random));
            SegmentOpener opener = new SegmentOpener(
                    files, options, lock, clock, nanoTicker, random, found.logId(), found.nextOrdinal());
            Segment segment = opener.open(found.nextSequence(), found.predecessor());
            listener.opened(segment.name());
            AppendQueue queue = new AppendQueue(options.sizes().maxQueuedBytes());
            GroupCommit commit = new GroupCommit(files, options, lock, opener, queue, listener, nanoTicker, segment);
            return new Log(files, options, lock, queue, commit, found.report(), nanoTicker);
        } catch (IOException | RuntimeException | Error e) {
            try {
                lock.close();
            } catch (IOException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    /** Starts the writer and the filler. */
    public void start() {
        writer.start();
        filler.start();
    }

    /**
     * Hands an append to the writer.
     *
     * @return false if the queue is full or the log is closed; the append is then ignored, and neither {@link
     *     Append#forced} nor {@link Append#failed} is called
     * @throws IllegalArgumentException if the append has no entries, or too many bytes for one fsync
     */
    public boolean append(Append append) {
        return queue.offer(append);
    }

    /**
     * Closes the active segment and opens the next one, unless no record was appended to it, so that {@link
     * Retention} covers these records. The returned future completes on the writer's thread. The future fails if the
     * disk fails or the lock is lost; it fails at once if the log is closed.
     */
    public CompletableFuture<Void> seal() {
        CompletableFuture<Void> sealed = commit.seal();
        if (!queue.nudge()) {
            commit.refuseSeals(new IOException("the log is closed"));
        }
        return sealed;
    }

    /** Returns the number of bytes that are waiting for the writer. */
    public long queuedBytes() {
        return queue.queuedBytes();
    }

    /** Returns the number of appends that are waiting for the writer. */
    public int queuedAppends() {
        return queue.queuedAppends();
    }

    /** Runs one step of the writer, for a simulation; returns false if there was nothing to do. */
    public boolean step() {
        return commit.step();
    }

    /** Runs one step of the filler, for a simulation; returns false if there was nothing to do. */
    public boolean fillStep() {
        return fillAhead.step(commit.segment());
    }

    /**
     * Checks that this process still owns the directory, and that the file with the active segment's name still is that
     * segment. If the lock is lost, the writer's next step gives up the log. If the segment was moved, removed or
     * emptied, the writer's next step opens another segment. Also makes the writer try again to open a segment that
     * could not be opened. A simulation calls this method; otherwise the filler calls it once a second.
     *
     * @return false if the file with the active segment's name is missing or is not that segment any more; true
     *     otherwise, and always if the lock is lost
     */
    public boolean watchStep() {
        if (!commit.watchLock()) {
            return true; // the lock is lost, so the file with the segment's name may now belong to another process
        }
        Segment segment = commit.segment();
        boolean there = SegmentWatch.exists(files, segment);
        if (!there) {
            commit.vanished(segment);
        }
        commit.retry();
        return there;
    }

    /**
     * Returns a reader of the records from sequence {@code from} to the last record that is on disk when this method is
     * called. If the oldest record is later than {@code from}, the reader begins with the oldest record. The caller
     * closes the reader.
     */
    public LogReader read(long from, OnDamage onDamage) throws IOException {
        return read(from, onDamage, 0);
    }

    /**
     * Returns a reader like {@link #read(long, OnDamage)}, for a caller that no longer needs the records up to {@code
     * decidedUpTo}. A missing segment that contained only such records is not damage; {@link LogReader#absent} returns
     * their range. Damage in a segment that exists is still reported.
     */
    public LogReader read(long from, OnDamage onDamage, long decidedUpTo) throws IOException {
        long end = commit.forcedEnd();
        return new LogReader(segments(), from, end, onDamage, decidedUpTo);
    }

    /**
     * Lists the segments. The writer may open a segment meanwhile, so this method repeats the listing until the active
     * segment stays the same.
     */
    private SegmentList segments() throws IOException {
        Segment newest = commit.segment();
        while (true) {
            SegmentList list = Vanished.retry(() -> SegmentList.read(files, options.directory(), options.prefix()));
            Segment listed = newest;
            newest = commit.segment();
            if (newest == listed) {
                return list.endingWith(newest.name(), newest.header());
            }
        }
    }

    /**
     * Makes every following append fail, because this process no longer owns the log. The listener is notified as if
     * the lock file had been removed. Any thread.
     */
    public void giveUp(LockLostException cause) {
        commit.giveUp(cause);
    }

    /**
     * The active segment.
     *
     * @param name the name under which it was opened
     * @param end the offset after the last byte that is on disk and counts
     */
    public record Active(SegmentHeader header, String name, long end) {}

    /** Returns the active segment. */
    public Active active() {
        Segment active = commit.segment();
        return new Active(active.header(), active.name(), active.position());
    }

    /**
     * Returns the id of the active segment, which no other segment has. When the id changes, a concurrent reader must
     * list the directory again: the new segment may reuse the sequences of appends that failed in the previous one.
     */
    public String newestSegment() {
        return commit.segment().header().id();
    }

    /**
     * Returns the first sequence of the newest segments that together have at least {@code bytes}; takes as few
     * segments as possible. Returns 1 if all segments except the oldest one have fewer bytes in total. {@code bytes}
     * must be positive.
     */
    public long beginningOfLast(long bytes) throws IOException {
        List<Listed> segments = Vanished.retry(() -> SegmentList.read(files, options.directory(), options.prefix()))
                .segments();
        long counted = 0;
        int index = segments.size() - 1;
        while (index > 0 && counted < bytes) {
            counted += files.status(
                            options.directory().resolve(segments.get(index).name()))
                    .map(FileOps.FileStatus::bytes)
                    .orElse(0L);
            index--;
        }
        return counted < bytes ? 1 : segments.get(index + 1).header().first();
    }

    /**
     * The opening of an existing segment, as recorded in its header.
     *
     * @param first the first sequence that counts in the segment; all records with lower sequences were appended before
     *     the segment was opened
     * @param next the first sequence that was appended to the segment
     * @param openedMillis the wall time of the opening, in milliseconds since the epoch
     * @param context the context of the records that were appended to the segment
     */
    public record Opening(long first, long next, long openedMillis, String context) {}

    /** Returns the openings of the existing segments, oldest first. */
    public List<Opening> openings() throws IOException {
        return segments().segments().stream()
                .map(Listed::header)
                .map(header -> new Opening(header.first(), header.next(), header.openedMillis(), header.context()))
                .toList();
    }

    /**
     * Returns the ranges of records that are lost because segments before or between the existing segments are missing.
     * Reads the segment before each gap.
     *
     * @param begin the first sequence that should exist
     */
    public List<Damage> absent(long begin) throws IOException {
        SegmentList list = segments();
        List<Damage> absent = new ArrayList<>();
        if (list.firstKnown() > begin) {
            absent.add(list.absentBefore(0, begin, list.firstKnown() - 1));
        }
        for (int i = 1; i < list.segments().size(); i++) {
            if (list.isSuccessorAbsent(i - 1)) {
                long from = list.segments().get(i - 1).header().first();
                long end = list.segments().get(i).header().first();
                try (LogReader reader = new LogReader(list, from, end, OnDamage.SKIP, 0)) {
                    while (reader.next() != null) {
                        // the reader notes the gap at the end of the segment
                    }
                    reader.damages().stream()
                            .filter(damage -> damage.kind() == Damage.Kind.ABSENT)
                            .forEach(absent::add);
                }
            }
        }
        return absent;
    }

    /** Returns the sequence after the last record that is on disk. */
    public long forcedEnd() {
        return commit.forcedEnd();
    }

    /** Returns the findings of the start. */
    public StartReport startReport() {
        return report;
    }

    /** Returns the directory that this log owns. */
    public Path directory() {
        return options.directory();
    }

    /**
     * Returns why nothing can be appended; empty if an append has succeeded or a segment was opened since the last
     * failure.
     */
    public Optional<IOException> problem() {
        return commit.failure();
    }

    /**
     * Returns why this process no longer owns the log, so that nothing can be appended until the process is restarted;
     * empty while the process owns the log.
     */
    public Optional<LockLostException> lockLost() {
        return commit.lockLost();
    }

    /**
     * Checks that this process still owns the directory. A caller that stores files next to the segments calls this
     * method before it writes such a file.
     *
     * @throws LockLostException if another process may own the directory
     */
    public void requireOwned() throws IOException {
        lock.requireHeld();
    }

    /** Returns whether the writer's thread is running. Once the thread has ended, the log accepts no appends. */
    public boolean isWriting() {
        return writer.isAlive();
    }

    private void write() {
        try {
            while (queue.await()) {
                commit.step();
                if (fillAhead.isDue(commit.segment())) { // to wake the filler costs as much as a fifth of a force
                    LockSupport.unpark(filler);
                }
            }
        } finally {
            // If an append or a listener threw, the queue may not be empty here. Fail the remaining appends, so that no
            // caller waits forever.
            queue.close();
            IOException ended = new IOException("the log's writer has ended");
            for (List<Append> left = queue.take(Long.MAX_VALUE); !left.isEmpty(); left = queue.take(Long.MAX_VALUE)) {
                commit.refuse(left, ended);
            }
            commit.refuseSeals(ended);
        }
    }

    private void fill() {
        long watched = nanoTicker.getAsLong();
        while (!closing) {
            boolean filled = false;
            try {
                filled = fillAhead.step(commit.segment());
                if (nanoTicker.getAsLong() - watched >= WATCH_NANOS) {
                    watched = nanoTicker.getAsLong();
                    watchStep();
                }
            } catch (RuntimeException | VirtualMachineError e) {
                filled = false; // the failure may be temporary, such as a lack of memory, so try again a second later
            }
            if (!filled) {
                LockSupport.parkNanos(this, WATCH_NANOS);
            }
        }
    }

    /**
     * Stops accepting appends, blocks until the queued appends are written, and ends both threads; keeps the lock.
     * Idempotent.
     */
    public void finish() {
        queue.close();
        closing = true;
        join(writer);
        LockSupport.unpark(filler);
        join(filler);
    }

    /**
     * Writes the queued appends and closes the active segment; if it has records, opens an empty one after it. Keeps
     * the lock, so that {@link LogArchive} can store the last segment. Idempotent.
     */
    public void complete() throws IOException {
        if (!completed) {
            completed = true;
            finish();
            watchStep();
            commit.close();
        }
    }

    /** Completes the log as {@link #complete} does, and releases the lock. Idempotent. */
    @Override
    public void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        try {
            complete();
        } finally {
            lock.close();
        }
    }

    private static void join(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * A batch of entries that get consecutive sequences and share one fsync. The log calls either {@link #forced} or
     * {@link #failed}, once, on the writer's thread; the method must return quickly and must not throw.
     */
    public interface Append {
        /** Returns the entries, in order; at least one. */
        List<Entry> entries();

        /**
         * Reports that all entries are on disk.
         *
         * @param firstSequence the sequence of the first entry; the other entries follow without a gap
         */
        void forced(long firstSequence);

        /**
         * Reports that the entries could not be written. Entries that reached the disk nevertheless do not count, but
         * the next start may find them if the process ends before the next segment is on disk.
         */
        void failed(IOException cause);
    }
}
