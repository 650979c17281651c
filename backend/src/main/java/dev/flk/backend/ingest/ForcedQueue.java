// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.ingest.InFlightIds.InFlight;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.program.logging.LineLimit;
import dev.flk.wal.LogListener;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.files.TooManyFilesException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The queue of work for {@link OutcomeWriter}, in log order, so that the log's writer itself only writes and forces.
 * All work that follows one fsync is added as one group. The work that follows an answer of the store is queued as
 * well. Adding never blocks; the number of ids that may be in flight bounds the queue. This class is also the listener
 * of the log's writer: it updates metrics, writes log lines, runs the action for vanished segments, and reports the
 * loss of the lock.
 */
public final class ForcedQueue implements LogListener {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");

    /** The time for which answered groups are collected, so that they are recorded together. It delays no answer. */
    private static final long TOGETHER_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private static final int MOST_TOGETHER = 1_000;

    private final LinkedBlockingQueue<Group> groups = new LinkedBlockingQueue<>();
    private final CompletableFuture<LockLostException> lockLost = new CompletableFuture<>();
    private final IngestMetrics metrics;
    private final LineLimit lines = new LineLimit(1, Duration.ofMinutes(1), System::nanoTime);
    private volatile Flush flush = () -> {};

    /** The segment that was reported last as removed or moved away; used by the thread of the log's writer only. */
    private @Nullable String lastVanished;

    /** The group that is being collected; used by the thread of the log's writer only. */
    private Group together = new Group(new ArrayList<>(), new ArrayList<>(), 0);

    private volatile LongSupplier forcedUpTo = () -> 0;
    private volatile Consumer<Group> whenForced = group -> {};

    /** The number of queued groups for which somebody may wait. */
    private final AtomicInteger urgent = new AtomicInteger();

    private volatile @Nullable Thread consumer;

    /**
     * The work that follows one fsync, or a single task.
     *
     * @param submissions the submissions that are on disk and must be recorded, in log order
     * @param others the tasks to run after the submissions were passed to the store
     * @param last the sequence up to which everything was on disk; 0 for a single task, which waits for nothing
     */
    record Group(List<InFlight> submissions, List<Runnable> others, long last) {
        private boolean isEmpty() {
            return submissions.isEmpty() && others.isEmpty();
        }

        /** Returns whether nobody waits for this group: all its submissions are answered. */
        private boolean isAnswered() {
            return others.isEmpty() && submissions.stream().allMatch(InFlight::nobodyWaits);
        }
    }

    /** An action that makes the recorded outcomes durable in the store. */
    @FunctionalInterface
    interface Flush {
        void run() throws IOException;
    }

    public ForcedQueue(IngestMetrics metrics) {
        this.metrics = metrics;
    }

    /**
     * Sets the action that runs after the active segment was moved away and before the log continues in a new segment.
     */
    void whenVanished(Flush toDo) {
        flush = toDo;
    }

    /** Sets the supplier of the sequence up to which everything is on disk. */
    void setForcedUpTo(LongSupplier sequence) {
        forcedUpTo = sequence;
    }

    /** Sets an action that gets each group on the thread of the log's writer, before the group is queued. */
    void whenForced(Consumer<Group> toDo) {
        whenForced = toDo;
    }

    /** Sets the thread that takes the groups. */
    void takenBy(Thread thread) {
        consumer = thread;
    }

    /** Returns a stage that completes once this process no longer owns the log. */
    public CompletionStage<LockLostException> lockLost() {
        return lockLost;
    }

    /** Adds submissions that were forced to disk. Called on the thread of the log's writer. */
    void forced(List<InFlight> submissions) {
        together.submissions().addAll(submissions);
    }

    /**
     * Returns a callback that hands a value to the recorder's thread: the callback adds a task to the group that is
     * being collected, and this task runs {@code then} with the value. The callback must be called on the thread of the
     * log's writer.
     */
    <T> Consumer<T> later(Consumer<T> then) {
        return value -> together.others().add(() -> then.accept(value));
    }

    /**
     * Queues the collected group. Called on the thread of the log's writer, after the callbacks of all appends that
     * shared the fsync have run.
     */
    @Override
    public void groupEnded() {
        if (!together.isEmpty()) {
            Group group = new Group(together.submissions(), together.others(), forcedUpTo.getAsLong());
            together = new Group(new ArrayList<>(), new ArrayList<>(), 0);
            try {
                whenForced.accept(group);
            } finally {
                add(group);
            }
        }
    }

    /** Queues a task to run on the recorder's thread after everything queued before. Any thread. */
    void execute(Runnable callback) {
        add(new Group(List.of(), List.of(callback), 0));
    }

    private void add(Group group) {
        boolean isUrgent = !group.isAnswered();
        if (isUrgent) {
            urgent.incrementAndGet();
        }
        groups.add(group);
        if (isUrgent) {
            LockSupport.unpark(consumer);
        }
    }

    /**
     * Runs {@code then} on the recorder's thread once the stage has completed, or immediately if the stage has already
     * completed. Passes the value and null, or null and the failure. Called on the recorder's thread.
     */
    <T> void whenDone(CompletionStage<T> stage, BiConsumer<@Nullable T, @Nullable Throwable> then) {
        CompletableFuture<T> future = stage.toCompletableFuture();
        if (!future.isDone()) {
            future.whenComplete((value, failure) -> execute(() -> then.accept(value, failure)));
            return;
        }
        T value;
        try {
            value = future.join();
        } catch (CompletionException e) {
            then.accept(null, e.getCause());
            return;
        }
        then.accept(value, null);
    }

    /** Removes and returns the next group, see {@link #take}; null if the queue is empty. */
    @Nullable
    Group poll() {
        Group group = groups.poll();
        return group == null ? null : together(group);
    }

    /** Returns the group; if it is answered, together with the answered groups that follow it in the queue. */
    private Group together(Group first) {
        if (!first.isAnswered()) {
            urgent.decrementAndGet();
            return first;
        }
        List<InFlight> submissions = new ArrayList<>(first.submissions());
        long last = first.last();
        for (Group next = groups.peek();
                next != null && next.isAnswered() && submissions.size() < MOST_TOGETHER;
                next = groups.peek()) {
            submissions.addAll(next.submissions());
            last = next.last();
            groups.remove();
        }
        return new Group(submissions, List.of(), last);
    }

    /** Returns the number of queued groups for which somebody may wait. */
    int urgent() {
        return urgent.get();
    }

    /**
     * Removes and returns the next group; blocks until the queue has one. If all its submissions are answered, collects
     * further answered groups for {@link #TOGETHER_NANOS}, or until a group is queued for which somebody may wait. An
     * interrupt does not end the wait; the interrupt status is restored afterwards.
     */
    Group take() {
        boolean interrupted = false;
        while (true) {
            try {
                Group group = groups.take();
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
                if (group.isAnswered() && urgent.get() == 0) {
                    LockSupport.parkNanos(TOGETHER_NANOS); // returns early for a group for which somebody may wait
                }
                return together(group);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
    }

    @Override
    public void vanished(String segment, @Nullable String renamedTo) throws IOException {
        if (renamedTo == null) {
            if (!segment.equals(lastVanished)) { // the log calls again until this method succeeds
                lastVanished = segment;
                LOG.error(
                        "log segment {} was removed, emptied or moved out of the log's directory while it was written"
                                + " to; the log continues in a new segment. If it was moved, put it back. logrotate is"
                                + " allowed to rename segments within the directory, but 'copytruncate' destroys them",
                        segment);
            }
            try {
                flush.run();
            } catch (StoreUnavailableException e) {
                throw TooManyFilesException.or(Path.of(segment), new IOException(e.getMessage(), e));
            }
            return;
        }
        LOG.info("log segment {} was renamed and is now {}; the log continues in a new segment", segment, renamedTo);
        try {
            flush.run(); // logrotate does not fsync what it renames
        } catch (IOException | StoreUnavailableException e) {
            LOG.warn(
                    "the outcomes of log segment {} could not be made durable in the dedup store: {}",
                    renamedTo,
                    e.getMessage());
        }
    }

    @Override
    public void lockLost(LockLostException cause) {
        LOG.error(
                "this backend no longer owns its log; new submissions are refused, and it exits in a few seconds: {}",
                cause.getMessage());
        lockLost.complete(cause);
    }

    @Override
    public void forced(int records, long segmentBytes, long nanos) {
        metrics.walFsync.observeNanos(nanos);
    }

    @Override
    public void failed(IOException cause) {
        if (cause instanceof TooManyFilesException) {
            metrics.refused.filesExhausted.increment();
        }
        // while it lasts, each group of appends fails, and each attempt to open the next segment
        lines.say(
                cause.getClass().getSimpleName(),
                leftOut -> LOG.error("WAL append error: {}{}", cause.getMessage(), leftOut));
    }

    @Override
    public void opened(String segment) {
        LOG.info("log segment {} was opened", segment);
    }
}
