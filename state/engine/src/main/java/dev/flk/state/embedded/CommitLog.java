// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.Event;
import dev.flk.state.Event.Change;
import dev.flk.state.StateKey;
import dev.flk.state.Storage.Answered;
import dev.flk.state.Storage.Batch;
import dev.flk.state.Storage.RequestKey;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Append;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.Retention;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The log of the commits. Each record is a batch of commits. A record is on disk before its commits are answered and
 * before RocksDB gets the batch. The key id of a record, a field that every log record has, contains the id of the
 * history. The body of a record has the parts below. Integers are big-endian. Each change, request and answer is
 * encoded as in {@link StateLayout}, after its length in 4 bytes.
 *
 * <pre>
 * 4              number of events, then for each of them
 *   8            revision
 *   8            committed at, in microseconds since the epoch
 *   4, changes   number of changes; the changes
 * 4              number of answers, then for each of them
 *   request, answer
 * 4              number of lifetimes that begin or end, then for each of them
 *   4, key       the key as in {@code latest}
 *   8            end of the lifetime in microseconds since the epoch; 0 for none
 * </pre>
 *
 * <p>The thread that commits writes the log itself. If the log writes zeros ahead of its records, the first commit
 * starts another thread, which writes the zeros and checks whether another program moved the active segment.
 */
final class CommitLog implements Closeable {
    private static final char BATCH = 'b';
    private static final int FILL_AHEAD_BYTES = 1 << 20;
    private static final Duration NEVER = Duration.ofDays(Integer.MAX_VALUE);
    private static final long WATCH_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Log log;
    private final Retention retention;
    private final Object commitLock;
    private final boolean isFilled;
    private final Thread filler = new Thread(this::fill, "state-log");
    private volatile boolean isClosing;
    /** Whether a segment was opened since the last call of {@link #isSegmentNew}. Guarded by the commit lock. */
    private boolean isSegmentNew = true;

    /** A step that makes all appended batches durable in RocksDB. */
    interface Flush {
        void run() throws IOException;
    }

    /** Returns the usual sizes of the log. */
    static LogSizes sizes() {
        return LogSizes.usual().withFillAhead(FILL_AHEAD_BYTES);
    }

    /**
     * Opens the log in a directory, and locks the log.
     *
     * @param commitLock the lock that the caller holds from an append until RocksDB has the batch
     * @param flush a step that the log runs, with the commit lock held, if another program moved or removed the active
     *     segment
     */
    CommitLog(FileOps files, Path directory, LogSizes sizes, Object commitLock, Flush flush) throws IOException {
        this.commitLock = commitLock;
        InstantSource clock = InstantSource.system();
        this.log = Log.open(
                files,
                LogOptions.of(directory, EmbeddedStorage.LOG_PREFIX, "state 2").with(sizes),
                new LogListener() {
                    @Override
                    public void vanished(String segment, @Nullable String renamedTo) throws IOException {
                        flush.run();
                    }

                    @Override
                    public void opened(String segment) {
                        isSegmentNew = true;
                    }
                },
                clock,
                System::nanoTime,
                new SecureRandom());
        this.retention =
                new Retention(files, directory, EmbeddedStorage.LOG_PREFIX, NEVER, context -> Duration.ZERO, clock);
        this.isFilled = sizes.fillAheadBytes() > 0;
        filler.setDaemon(true);
    }

    /**
     * Appends a batch, which is on disk when this method returns.
     *
     * @return the sequence number of the record
     */
    long append(String historyId, Batch batch) throws IOException {
        Written written = new Written(new Entry(BATCH, historyId, millis(batch), encode(batch)));
        if (!log.append(written)) {
            throw new IOException("the log of the state is closed");
        }
        boolean unused = log.step();
        if (isFilled && filler.getState() == Thread.State.NEW) {
            try {
                filler.start();
            } catch (OutOfMemoryError e) {
                // no thread can be created now; the batch is on disk, and the next append tries again
            }
        }
        LockSupport.unpark(filler);
        return written.sequence();
    }

    /** A batch to append. The log calls the methods of {@link Append} within {@link Log#step}. */
    private static final class Written implements Append {
        private final Entry entry;
        private long sequence;
        private @Nullable IOException failure;

        Written(Entry entry) {
            this.entry = entry;
        }

        @Override
        public List<Entry> entries() {
            return List.of(entry);
        }

        @Override
        public void forced(long firstSequence) {
            sequence = firstSequence;
        }

        @Override
        public void failed(IOException cause) {
            failure = cause;
        }

        long sequence() throws IOException {
            if (failure != null) {
                throw failure;
            }
            return sequence;
        }
    }

    /** Returns a reader of the records from a sequence number on, which throws an exception at damage. */
    LogReader read(long from) throws IOException {
        return log.read(from, OnDamage.STOP);
    }

    /** Returns the sequence number of the next record. */
    long end() {
        return log.forcedEnd();
    }

    /**
     * Returns whether a segment was opened since the last call of this method. If so, older segments may be removable.
     */
    boolean isSegmentNew() {
        boolean isNew = isSegmentNew;
        isSegmentNew = false;
        return isNew;
    }

    /** Removes the closed segments whose records are all below {@code next}. */
    void removeBelow(long next) throws IOException {
        while (retention.step(next - 1) == Retention.Done.REMOVED) {
            // each step removes one segment
        }
    }

    /** @throws dev.flk.wal.files.LockLostException if another process may own the log */
    void requireOwned() throws IOException {
        log.requireOwned();
    }

    private void fill() {
        long watched = System.nanoTime();
        while (!isClosing) {
            boolean isFilling = false;
            try {
                if (System.nanoTime() - watched >= WATCH_NANOS) {
                    watched = System.nanoTime();
                    watch();
                }
                isFilling = log.fillStep();
            } catch (RuntimeException | VirtualMachineError e) {
                // the failure may be temporary, such as a lack of memory, so the loop tries again a second later
                isFilling = false;
            }
            if (!isFilling) {
                LockSupport.parkNanos(this, WATCH_NANOS);
            }
        }
    }

    /** Opens a new segment if the active segment was moved, or if an earlier attempt to open a segment failed. */
    void watch() {
        boolean unused = log.watchStep();
        synchronized (commitLock) {
            boolean unusedToo = log.step();
        }
    }

    static byte[] encode(Batch batch) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream body = new DataOutputStream(bytes);
        body.writeInt(batch.events().size());
        for (Event event : batch.events()) {
            body.writeLong(event.revision());
            body.writeLong(event.committedAtMicros());
            body.writeInt(event.changes().size());
            for (Change change : event.changes()) {
                write(body, StateLayout.change(change));
            }
        }
        body.writeInt(batch.answered().size());
        for (Map.Entry<RequestKey, Answered> answer : batch.answered().entrySet()) {
            write(body, StateLayout.request(answer.getKey()));
            write(body, StateLayout.answered(answer.getValue()));
        }
        body.writeInt(batch.expiries().size());
        for (Map.Entry<StateKey, Long> expiry : batch.expiries().entrySet()) {
            write(body, StateLayout.latest(expiry.getKey()));
            body.writeLong(expiry.getValue());
        }
        return bytes.toByteArray();
    }

    private static void write(DataOutputStream body, byte[] part) throws IOException {
        body.writeInt(part.length);
        body.write(part);
    }

    /** Decodes the batch of a record. */
    static Batch batch(LogRecord record) throws IOException {
        DataInputStream body = new DataInputStream(new ByteArrayInputStream(record.body()));
        List<Event> events = new ArrayList<>();
        for (int left = body.readInt(); left > 0; left--) {
            long revision = body.readLong();
            long committedAtMicros = body.readLong();
            List<Change> changes = new ArrayList<>();
            for (int more = body.readInt(); more > 0; more--) {
                changes.add(StateLayout.change(body.readNBytes(body.readInt())));
            }
            events.add(new Event(revision, committedAtMicros, changes));
        }
        Map<RequestKey, Answered> answered = new HashMap<>();
        for (int left = body.readInt(); left > 0; left--) {
            RequestKey request = StateLayout.request(body.readNBytes(body.readInt()));
            answered.put(request, StateLayout.answered(body.readNBytes(body.readInt())));
        }
        Map<StateKey, Long> expiries = new HashMap<>();
        for (int left = body.readInt(); left > 0; left--) {
            expiries.put(StateLayout.key(body.readNBytes(body.readInt())), body.readLong());
        }
        return new Batch(events, answered, expiries);
    }

    private static long millis(Batch batch) {
        long micros = batch.events().isEmpty() ? 0 : batch.events().get(0).committedAtMicros();
        return Math.max(0, TimeUnit.MICROSECONDS.toMillis(micros));
    }

    @Override
    public void close() throws IOException {
        isClosing = true;
        LockSupport.unpark(filler);
        boolean isInterrupted = false;
        while (filler.isAlive()) {
            try {
                filler.join();
            } catch (InterruptedException e) {
                isInterrupted = true;
            }
        }
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
        log.close();
    }
}
