// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Damage.OnDamage;
import dev.flk.wal.Segment.FillAhead;
import dev.flk.wal.SegmentList.Listed;
import dev.flk.wal.SegmentOpener.SegmentWatch;
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
 * An append-only log that one process owns. {@link #append} may be called from any thread and never waits for the
 * disk; an append is on disk when {@link Append#forced} is called. Two threads work behind it: the writer, and the one that
 * fills the segment with zeros ahead and notices when another program moves it. Neither may be interrupted.
 */
public final class Log implements Closeable {
    private static final long WATCH_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** Name of the lock file in a log directory. */
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
    }

    /** Opens the log on the real clock, and starts its threads. See {@link #open}. */
    public static Log start(FileOps files, LogOptions options, LogListener listener) throws IOException {
        Log log = open(files, options, listener, InstantSource.system(), System::nanoTime, new SecureRandom());
        log.start();
        return log;
    }

    /**
     * Locks the directory, reads the newest segment, cuts a torn tail, and opens a new segment that repeats what no later
     * force proves. When it returns, that segment's header is on disk; nothing that is read from the log before may be acted on.
     * Without {@link #start} nothing runs: a simulation calls {@link #step} itself.
     *
     * @throws LogLockedException if another process owns the directory
     * @throws DamagedLogException if something is missing that had been forced, and that is not to be skipped
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
        } catch (IOException | RuntimeException e) {
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
     * @return false if the queue is full or the log is closed; then nothing is called and nothing was taken
     */
    public boolean append(Append append) {
        return queue.offer(append);
    }

    /**
     * Closes the segment that is written to, if there is a record in it, and opens the next: what {@link Retention} may look after then
     * holds everything that was forced before. Completes on the writer's thread; exceptionally if the disk refuses, or the log is closed.
     */
    public CompletableFuture<Void> seal() {
        CompletableFuture<Void> sealed = commit.seal();
        if (!queue.nudge()) {
            commit.refuseSeals(new IOException("the log is closed"));
        }
        return sealed;
    }

    /** Bytes that wait for the writer just now. */
    public long queuedBytes() {
        return queue.queuedBytes();
    }

    /** Appends that wait for the writer just now. */
    public int queuedAppends() {
        return queue.queuedAppends();
    }

    /** One step of the writer, for a simulation; false if there was nothing to do. */
    public boolean step() {
        return commit.step();
    }

    /** One step of filling ahead, for a simulation; false if there was nothing to do. */
    public boolean fillStep() {
        return fillAhead.step(commit.segment());
    }

    /**
     * Looks whether this process still owns the directory; if not, the writer's next step gives the log up. Looks whether the segment
     * that is written to still stands under its name; if not, the writer's next step leaves it, and tries
     * again to open a segment that could not be opened. For a simulation; the filler's thread does it once a second.
     *
     * @return false if it was not there
     */
    public boolean watchStep() {
        if (!commit.watchLock()) {
            return true; // whatever is under its name is not ours
        }
        Segment segment = commit.segment();
        boolean there = SegmentWatch.isThere(files, segment);
        if (!there) {
            commit.vanished(segment);
        }
        commit.retry();
        return there;
    }

    /** Reads what is on disk from a sequence (or from the oldest) up to what is forced now. The caller closes it. */
    public LogReader read(long from, OnDamage onDamage) throws IOException {
        return read(from, onDamage, 0);
    }

    /**
     * The same, but a missing segment without records behind {@code decidedUpTo} is passed over and listed by
     * {@link LogReader#absent}. Damage in a segment that is there is damage all the same.
     */
    public LogReader read(long from, OnDamage onDamage, long decidedUpTo) throws IOException {
        long end = commit.forcedEnd();
        return new LogReader(segments(), from, end, onDamage, decidedUpTo);
    }

    /** Segments may be opened while they are being listed; which is the newest is known for sure. */
    private SegmentList segments() throws IOException {
        Segment newest = commit.segment();
        while (true) {
            SegmentList list = Vanished.retry(() -> SegmentList.read(files, options.directory(), options.prefix()));
            Segment listed = newest;
            newest = commit.segment();
            if (newest == listed) {
                return list.endingWith(newest);
            }
        }
    }

    /**
     * Stands for the newest segment, and equals nothing else: once a record of another one is on disk, that is told here. Who reads
     * beside the writer lists the directory again then, since numbers that were given in vain are given again there.
     */
    public Object newest() {
        return commit.segment();
    }

    /** Where the newest segments begin that make up {@code bytes} of the log's files, or all of them: a sequence to read from. */
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
     * A segment that is there, from its header.
     *
     * @param first everything below this sequence was appended before it was opened
     * @param openedMillis wall time, milliseconds since the epoch
     * @param context of the records that were appended to it
     */
    public record Opening(long first, long openedMillis, String context) {}

    /** When the segments that are there were opened, oldest first. */
    public List<Opening> openings() throws IOException {
        return segments().segments().stream()
                .map(Listed::header)
                .map(header -> new Opening(header.first(), header.openedMillis(), header.context()))
                .toList();
    }

    /**
     * What stood in segments that are not there any more, before those that are and between them. Reads what stands before each gap.
     *
     * @param begin the first sequence that should be there
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
                        // to the end of what stands before the gap
                    }
                    reader.damages().stream()
                            .filter(damage -> damage.kind() == Damage.Kind.ABSENT)
                            .forEach(absent::add);
                }
            }
        }
        return absent;
    }

    /** The sequence after the last one that is on disk. */
    public long forcedEnd() {
        return commit.forcedEnd();
    }

    /** What the start found. */
    public StartReport startReport() {
        return report;
    }

    /** The directory that this log owns. */
    public Path directory() {
        return options.directory();
    }

    /** Why nothing can be appended; empty while the last append succeeded, or another segment's header was forced since. */
    public Optional<IOException> problem() {
        return commit.problem();
    }

    /**
     * Why this process does not own the log any more, so that nothing can be appended until another start; empty while it does.
     */
    public Optional<LockLostException> lockLost() {
        return commit.lockLost();
    }

    /**
     * Returns if this process still owns the directory. Whoever keeps files beside the segments asks before it writes them.
     *
     * @throws LockLostException if it does not
     */
    public void requireOwned() throws IOException {
        lock.requireHeld();
    }

    /** Whether the writer lives; a log without one takes nothing. */
    public boolean isWriting() {
        return writer.isAlive();
    }

    private void write() {
        try {
            while (queue.await()) {
                commit.step();
                LockSupport.unpark(filler);
            }
        } finally {
            // Only an append or a listener that throws gets here with something queued: nobody may wait for ever.
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
                filled = false; // as when there is no memory just now: it goes on a second later
            }
            if (!filled) {
                LockSupport.parkNanos(this, WATCH_NANOS);
            }
        }
    }

    /** Takes nothing more and finishes what is queued; the directory stays ours. Idempotent. */
    public void finish() {
        queue.close();
        closing = true;
        join(writer);
        LockSupport.unpark(filler);
        join(filler);
    }

    /** Finishes, completes the segment and gives the lock back. Idempotent. */
    @Override
    public void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        finish();
        try {
            watchStep();
            commit.close();
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
     * What is handed to the log in one go. Its entries get consecutive sequences and share one force. Exactly one of
     * {@link #forced} and {@link #failed} is called, once, on the writer's thread: it must hand over, return and not throw.
     */
    public interface Append {
        /** The entries, in order; at least one. */
        List<Entry> entries();

        /**
         * All entries are on disk.
         *
         * @param firstSequence of the first entry; the others follow without a gap
         */
        void forced(long firstSequence);

        /**
         * The entries are not acknowledged. What was written of them does not count while this process lives; if it ends before the
         * next segment is on disk, a start may find them.
         */
        void failed(IOException cause);
    }
}
