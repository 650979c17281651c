// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.follow;

import dev.flk.backend.follow.DecidedPart.Missing;
import dev.flk.backend.follow.FollowerMetrics.Follows;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings a sink to the end of the decided part of the inbox log. Parts are applied in the order of the log, each together
 * with the position after it, so that a kill never makes the sink miss or repeat an outcome. After a failure, which may
 * have taken effect, the position is read again from the sink.
 *
 * <p>The follower has its own thread, on which all calls of the sink are made; the other methods are safe for any thread.
 * What followers share is in {@link DecidedQueue}.
 */
public final class Follower implements AutoCloseable {
    private static final long AFTER_FAILURE_MILLIS = 1_000;
    private static final long CLOSE_MILLIS = 1_000;
    /** How long a sink that is not ready rests. */
    private static final long LOOK_AGAIN_MILLIS = 250;
    /** How often who waits for a position looks at it. */
    private static final long LOOK_MILLIS = 20;

    private static final long NOTABLE_WAIT_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final Logger logger;
    private final Follows follows;
    private final Sink sink;
    private final DecidedLog log;
    private final FollowerMetrics metrics;
    private final LongSupplier nanoTicker;
    private final DecidedReader reader; // used by the follower's thread
    private final Thread thread;
    private final Object progress = new Object();
    /** Has a permit if the follower is not to rest now. */
    private final Semaphore wakes = new Semaphore(0);

    private final CountDownLatch over = new CountDownLatch(1);

    private long applied; // used by the follower's thread

    // written by the follower's thread
    private volatile long position;
    private volatile long passed;
    private volatile boolean isWaiting;
    /** Whether the position was read from the sink since the start. */
    private volatile boolean hasPosition;
    /** Whether the position was read from the sink since the start or the last failure. */
    private volatile boolean knowsPosition;
    /** The last record on disk when the position was read; 0 once the sink has everything up to there. */
    private volatile long lastWhenRead;

    private volatile long upToDateNanos;
    private volatile boolean isUp;
    private volatile boolean hasEnded;
    private volatile @Nullable String reportedFailure;

    /** The place that a follower writes to, with a position. */
    public interface Sink {
        /**
         * Prepares for a step.
         *
         * @param isOpen whether the position was read since the start or the last failure
         * @return whether the sink may be written now
         */
        boolean isReady(boolean isOpen) throws IOException;

        /** Returns the position up to which the sink is complete; its sequence is 0 if it has nothing of this log. */
        Position open();

        /**
         * Begins after a sequence.
         *
         * @param problem the end of a sentence that says why the log does not continue the stored position, so that
         *     everything in the log is applied once more; null if it does
         */
        void begin(Position stored, @Nullable String problem);

        /** Applies a part together with its position, completely or not at all. */
        void apply(DecidedPart part);

        /** Returns whether the sink is complete up to the last part, which it may make it first. */
        default boolean settle() {
            return true;
        }

        /**
         * Does other work after a part.
         *
         * @param position the sequence up to which the sink is complete
         * @param isMore whether more of the log is to be applied or settled now
         * @param mayContinue returns false once the follower is about to be closed
         * @return how many milliseconds the follower rests before the next step
         */
        long rest(long position, boolean isMore, BooleanSupplier mayContinue);

        /** Returns what operators should know although parts are applied. Any thread. */
        default Optional<String> problem() {
            return Optional.empty();
        }
    }

    /** A failure of a sink, whose message says everything. */
    public static final class SinkException extends RuntimeException {
        private final boolean isFinal;

        /** @param isFinal whether this process must not write to the sink any more */
        public SinkException(String message, Exception cause, boolean isFinal) {
            super(message, cause);
            this.isFinal = isFinal;
        }
    }

    /**
     * Creates a follower; starts no thread.
     *
     * @param handedOver the submissions that the pipeline of this log hands over
     * @param settledUpTo a supplier of the sequence up to which each review that does not take effect is voided in the
     *     log
     */
    public Follower(
            Sink sink,
            DecidedLog log,
            DecidedQueue handedOver,
            LongSupplier settledUpTo,
            FollowerMetrics metrics,
            LongSupplier nanoTicker) {
        this.sink = sink;
        this.log = log;
        this.metrics = metrics;
        this.follows = metrics.follows;
        this.nanoTicker = nanoTicker;
        this.logger = LoggerFactory.getLogger("dev.flk.backend." + follows.label);
        this.reader = new DecidedReader(log, handedOver, this::isOpen, settledUpTo);
        this.upToDateNanos = nanoTicker.getAsLong();
        this.thread = new Thread(this::run, follows.label + "-follower");
        thread.setDaemon(true);
        metrics.lagRecords.watch(this::lagRecords);
        metrics.lagSeconds.watch(() -> isUp && lagRecords() == 0 ? 0 : (nanoTicker.getAsLong() - upToDateNanos) / 1e9);
    }

    /** Starts the follower's thread. */
    public Follower start() {
        thread.start();
        return this;
    }

    /**
     * Returns the sequence up to which the sink no longer needs the log. Each submission up to this sequence is in it, or
     * was missing when the log was read. 0 until the position was read, at the start and after a failure: the sink may
     * have lost something meanwhile.
     */
    public long position() {
        return knowsPosition ? position : 0;
    }

    /**
     * Returns whether the sink may lack outcomes that were decided before the start, or before the last failure: it loses
     * what was not durable.
     */
    public boolean isBehind() {
        return !knowsPosition || position < lastWhenRead;
    }

    /** Returns whether the last attempt succeeded. */
    public boolean isUp() {
        return isUp;
    }

    /** Returns whether this process applies nothing any more. */
    public boolean hasEnded() {
        return hasEnded;
    }

    /** Returns why nothing is applied, or what the sink reports meanwhile; empty if all is well. */
    public Optional<String> problem() {
        String failure = reportedFailure;
        if (failure == null && isWaiting && nanoTicker.getAsLong() - upToDateNanos > NOTABLE_WAIT_NANOS) {
            return Optional.of("waits until the record of outcomes has applied a review");
        }
        if (failure == null) {
            return isUp ? sink.problem() : Optional.of("is being opened");
        }
        return Optional.of((hasEnded ? "has ended: " : "waits, and continues in order: ") + failure);
    }

    private double lagRecords() {
        return hasPosition ? Math.max(0, log.decidedUpTo() - position) : Double.NaN;
    }

    private boolean isOpen() {
        return over.getCount() > 0;
    }

    /**
     * Returns the sequence up to which the sink has had everything at some time since the start; 0 before the position
     * was read.
     */
    public long passed() {
        return passed;
    }

    /**
     * Waits until the sink has everything up to a sequence, and ends the follower's rest meanwhile.
     *
     * @return whether it has
     */
    public boolean await(long sequence, Duration most) throws InterruptedException {
        long end = System.nanoTime() + most.toNanos();
        synchronized (progress) {
            for (long left = end - System.nanoTime(); position() < sequence; left = end - System.nanoTime()) {
                if (left <= 0 || !isOpen()) {
                    return false;
                }
                wakes.release();
                progress.wait(Math.min(LOOK_MILLIS, TimeUnit.NANOSECONDS.toMillis(left) + 1));
            }
        }
        return true;
    }

    private void run() {
        while (isOpen() && !hasEnded) {
            rest(takeTurn());
        }
        forget();
        reader.end();
    }

    /**
     * Takes a step and reports its failure.
     *
     * @return how many milliseconds to rest; negative after a failure
     */
    long takeTurn() {
        try {
            long restMillis = step();
            if (!reader.isUnfinished()) {
                succeeded();
            }
            return restMillis;
        } catch (IOException | RuntimeException | Error e) {
            failed(e);
            return -1;
        }
    }

    /** @param millis how long to rest unless somebody waits; negative after a failure */
    private void rest(long millis) {
        notifyWaiting();
        try {
            boolean unused = millis < 0
                    ? over.await(AFTER_FAILURE_MILLIS, TimeUnit.MILLISECONDS)
                    : isOpen() && wakes.tryAcquire(millis, TimeUnit.MILLISECONDS);
            wakes.drainPermits();
        } catch (InterruptedException e) {
            over.countDown();
        }
    }

    private void notifyWaiting() {
        synchronized (progress) {
            progress.notifyAll();
        }
    }

    private void succeeded() {
        isUp = true;
        if (reportedFailure != null) {
            logger.info("{} continues after record {} of the log", follows.subject, position);
        }
        reportedFailure = null;
    }

    /** Logs a failure, unless the one before had the same message. */
    private void failed(Throwable failure) {
        boolean isExpected = failure instanceof IOException
                || failure instanceof RecordUnavailableException
                || failure instanceof SinkException;
        String message = isExpected ? String.valueOf(failure.getMessage()) : failure.toString();
        boolean isReported = message.equals(reportedFailure);
        isUp = false;
        reportedFailure = message;
        hasEnded = failure instanceof SinkException broken && broken.isFinal;
        if (hasEnded) {
            logger.error("{} has ended, because it belongs to another process: {}", follows.subject, message);
        } else if (isOpen() && !isReported) {
            logger.error("{} {}: {}", follows.subject, follows.stopped, message, isExpected ? null : failure);
        }
    }

    /** Closes the readers of the log, and makes the next step read the position again. */
    private void forget() {
        knowsPosition = false;
        reader.close();
    }

    /**
     * Applies one part.
     *
     * @return how many milliseconds to rest before the next step
     * @throws IOException if the log can't be read, or contains a record that this version can't decide
     */
    long step() throws IOException {
        try {
            return tryStep();
        } catch (IOException | RuntimeException | Error e) {
            forget(); // what failed may have taken effect
            throw e;
        }
    }

    private long tryStep() throws IOException {
        if (!sink.isReady(knowsPosition)) {
            return LOOK_AGAIN_MILLIS;
        }
        if (!knowsPosition) {
            findPosition();
        }
        long beginNanos = nanoTicker.getAsLong();
        long decidedUpTo = log.decidedUpTo();
        Optional<DecidedPart> part = reader.next(applied, decidedUpTo);
        part.ifPresent(this::apply);
        if (sink.settle()) {
            position = applied;
            passed = Math.max(passed, position);
            reader.forget(position);
        }
        isWaiting = part.isEmpty() && reader.isUnsettled();
        boolean isMore = position < applied || (part.isPresent() ? position < decidedUpTo : reader.isUnfinished());
        if (position >= decidedUpTo) {
            upToDateNanos = beginNanos;
        }
        if (!isMore && decidedUpTo >= lastWhenRead) {
            lastWhenRead = 0; // the position stays before it if retention has removed the last records
        }
        return sink.rest(position, isMore, this::isOpen);
    }

    /**
     * Finds the position after which to continue: 0 if the sink has none for this log, or if its position does not match
     * the log; the follower then begins with the oldest existing log record.
     */
    private void findPosition() throws IOException {
        Position stored = sink.open();
        String problem = reader.whyNotAt(stored, !hasPosition).orElse(null);
        long known = problem == null ? stored.sequence() : 0;
        reader.begin(known, !hasPosition || known < applied);
        sink.begin(stored, problem);
        applied = known;
        position = known;
        passed = Math.max(passed, known);
        lastWhenRead = log.last();
        knowsPosition = true;
        hasPosition = true;
    }

    private void apply(DecidedPart part) {
        sink.apply(part);
        applied = part.last();
        for (Missing gap : part.missing()) {
            metrics.missed.add(gap.last() - gap.first() + 1);
            logger.error(
                    "{} has a gap: sequences {} to {} were missing when the log was read",
                    follows.subject,
                    gap.first(),
                    gap.last());
        }
    }

    /** Stops the thread after its current step. Waits at most one second for the thread to end. */
    @Override
    public void close() {
        over.countDown();
        wakes.release();
        notifyWaiting();
        try {
            thread.join(CLOSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
