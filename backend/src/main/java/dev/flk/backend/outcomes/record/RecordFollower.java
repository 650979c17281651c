// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.outcomes.record.DecidedReader.Chunk;
import dev.flk.backend.outcomes.record.DecidedReader.Missing;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The writer of the record: brings the rows to the end of the decided part of the inbox log. It takes the decided
 * submissions that the pipeline hands over; those that were not handed over, it reads from the log and decides again.
 * The rows are written together with the position in the log, so that a kill never makes it miss or repeat an outcome.
 * It never delays an answer: under load, it uses only a part of one core, and while the disk is nearly full nothing
 * is written.
 *
 * <p>The follower has its own thread.
 */
public final class RecordFollower implements AutoCloseable {
    /** The prefix of the notes in {@link OutcomeRows#notes} that name records that were missing from a log. */
    static final String GAPS = "gap/";

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");
    private static final int CHUNK_RECORDS = 1_000;
    private static final long CHUNK_BYTES = 512 << 10;
    private static final long LOOK_EVERY_MILLIS = 250;
    private static final long AFTER_FAILURE_MILLIS = 1_000;
    /** The lowest rate of submissions per second at which the follower slows down. */
    private static final long BUSY_PER_SECOND = 500;
    /** The ratio of rest to work while the rate is {@link #BUSY_PER_SECOND} or more. */
    private static final int RESTS_PER_WORK = 6;

    private static final long LONGEST_REST_MILLIS = 2_000;
    private static final long CLOSE_MILLIS = 1_000;
    private static final int STEPS_BETWEEN_SWEEPS = 100;
    private static final long REPORT_EVERY = 100_000;

    private final DecidedLog log;
    private final OutcomeRows rows;
    private final DecidedQueue decided;
    private final Duration kept;
    private final InstantSource expiry;
    private final LongSupplier submissions;
    private final RecordMetrics metrics;
    private final LongSupplier nanoTicker;
    private final Thread thread = new Thread(this::run, "record-follower");
    private final CountDownLatch over = new CountDownLatch(1);
    private volatile long position;

    /** Whether the position was read from the rows since the start or the last failure. */
    private volatile boolean knowsPosition;

    /** The last record on disk when the position was read. */
    private volatile long lastWhenRead;

    private volatile long upToDateNanos;

    // used by the follower's thread
    private final DecidedReader reader;

    /** Whether the position has been read since the start. */
    private boolean hasPosition;

    private boolean isDiskLow;
    private final Instant began;
    private volatile boolean isIncomplete = true;
    private int stepsToSweep;
    private @Nullable String reportedFailure;
    private long countedSubmissions;
    private long countedNanos;

    /**
     * Creates a follower; starts no thread.
     *
     * @param rows owned by the caller; written by this follower only
     * @param decided the decided submissions that are handed over
     * @param kept how long an outcome is kept
     * @param expiry the clock by which outcomes are removed
     * @param submissions the number of submissions since the start
     */
    public RecordFollower(
            DecidedLog log,
            OutcomeRows rows,
            DecidedQueue decided,
            Duration kept,
            InstantSource expiry,
            LongSupplier submissions,
            RecordMetrics metrics,
            LongSupplier nanoTicker) {
        this.log = log;
        this.rows = rows;
        this.decided = decided;
        this.kept = kept;
        this.expiry = expiry;
        this.began = expiry.instant();
        this.submissions = submissions;
        this.metrics = metrics;
        this.nanoTicker = nanoTicker;
        this.reader = new DecidedReader(log, CHUNK_RECORDS, CHUNK_BYTES, () -> over.getCount() > 0);
        this.upToDateNanos = nanoTicker.getAsLong();
        this.countedNanos = upToDateNanos;
        thread.setDaemon(true);
    }

    /** Starts the follower's thread. */
    public void start() {
        metrics.lagRecords.watch(this::lagRecords);
        metrics.lagSeconds.watch(() -> lagRecords() == 0 ? 0 : (nanoTicker.getAsLong() - upToDateNanos) / 1e9);
        thread.start();
    }

    /**
     * Returns the sequence up to which this follower no longer needs the log. Each submission up to this sequence is in
     * the record of outcomes, or was missing when the log was read. 0 until the rows were read, at the start and after a
     * failure: they may have been lost meanwhile.
     */
    public long position() {
        return knowsPosition ? position : 0;
    }

    /**
     * Returns the time before which outcomes may still be missing, because the record is being copied from damaged
     * files, or derived from the whole log; empty otherwise. Safe for any thread.
     */
    public Optional<Instant> incompleteBefore() {
        return isIncomplete ? Optional.of(began) : Optional.empty();
    }

    /**
     * Returns whether outcomes may be missing that were decided before the start, or before the last failure: the rows
     * lost what was not durable. Safe for any thread.
     */
    public boolean isBehind() {
        return !knowsPosition || position < lastWhenRead;
    }

    private long lagRecords() {
        return Math.max(0, log.decidedUpTo() - position);
    }

    private void run() {
        while (over.getCount() > 0) {
            long beginNanos = nanoTicker.getAsLong();
            long restMillis;
            try {
                boolean isMore = step();
                reportFailure(null);
                restMillis = isMore ? restMillis(nanoTicker.getAsLong() - beginNanos) : LOOK_EVERY_MILLIS;
            } catch (IOException | RecordUnavailableException e) {
                reportFailure(e);
                restMillis = AFTER_FAILURE_MILLIS;
            } catch (RuntimeException | Error e) {
                LOG.error(
                        "the record of outcomes has stopped after sequence {} of the log; the next attempt is in a"
                                + " second",
                        position,
                        e);
                restMillis = AFTER_FAILURE_MILLIS;
            }
            rest(restMillis);
        }
        forget();
    }

    private void rest(long millis) {
        try {
            over.await(millis, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            over.countDown(); // not expected: nothing interrupts this thread
        }
    }

    /**
     * Logs the failure of a step, unless the previous step failed with the same message. Null means that the step
     * succeeded; if a failure was logged before, logs that the record continues.
     */
    private void reportFailure(@Nullable Exception failure) {
        String message = failure == null ? null : String.valueOf(failure.getMessage());
        if (message != null && !message.equals(reportedFailure)) {
            LOG.error(
                    "the record of outcomes has stopped after sequence {} of the log; the next attempt is in a"
                            + " second: {}",
                    position,
                    message);
        } else if (message == null && reportedFailure != null) {
            LOG.info("the record of outcomes continues after the interruption");
        }
        reportedFailure = message;
    }

    /** Closes the readers of the log, and makes the next step read the position again. */
    private void forget() {
        knowsPosition = false;
        reader.close();
    }

    private long restMillis(long workedNanos) {
        long submitted = submissions.getAsLong();
        long nanos = nanoTicker.getAsLong();
        double perSecond = (submitted - countedSubmissions) * 1e9 / Math.max(1, nanos - countedNanos);
        countedSubmissions = submitted;
        countedNanos = nanos;
        return perSecond < BUSY_PER_SECOND
                ? 0
                : Math.min(LONGEST_REST_MILLIS, TimeUnit.NANOSECONDS.toMillis(workedNanos * RESTS_PER_WORK));
    }

    /**
     * Records one group.
     *
     * @return whether there is more to do
     * @throws IOException if the log can't be read, or contains a record that this version can't decide
     * @throws RecordUnavailableException if the rows can't be read or written
     */
    boolean step() throws IOException {
        try {
            return tryStep();
        } catch (IOException | RuntimeException | Error e) {
            forget(); // a group that failed may have taken effect
            throw e;
        }
    }

    private boolean tryStep() throws IOException {
        if (!knowsPosition) {
            rows.reopen();
        }
        if (isDiskLow()) {
            return false;
        }
        if (!knowsPosition) {
            findPosition();
        }
        long beginNanos = nanoTicker.getAsLong();
        long decidedUpTo = log.decidedUpTo();
        List<DecidedSubmission> handed = decided.takeAfter(position, CHUNK_RECORDS);
        boolean isMore = true;
        if (handed.isEmpty()) {
            isMore = readLog(decidedUpTo);
        } else {
            apply(handed);
        }
        if (position >= decidedUpTo) {
            upToDateNanos = beginNanos;
        }
        if (!isMore && over.getCount() > 0) {
            complete();
        }
        return sweep() || isMore;
    }

    /** Completes the record once everything in the log is in it. */
    private void complete() {
        if (log.decidedUpTo() >= lastWhenRead) {
            lastWhenRead = 0; // the position stays before it if retention has removed the last records
        }
        if (rows.isIncomplete()) {
            rows.salvage(oldestKept(), this::mayGoOn);
        }
        if (isIncomplete) {
            LOG.info("the record of outcomes is complete up to record {} of the log", position);
        }
        isIncomplete = false;
    }

    private boolean mayGoOn() {
        try {
            return over.getCount() > 0 && !isDiskLow();
        } catch (IOException e) {
            return false; // the next step reports it
        }
    }

    private boolean isDiskLow() throws IOException {
        boolean isLow = log.isDiskNearlyLow();
        if (isLow && !isDiskLow) {
            LOG.warn("the record of outcomes waits, because the disk is nearly full; certificates are still accepted");
        } else if (!isLow && isDiskLow) {
            LOG.info("the record of outcomes continues, because the disk has room again");
        }
        isDiskLow = isLow;
        return isLow;
    }

    /** Removes some of the outcomes that are too old, if it is time to; returns whether there may be more. */
    private boolean sweep() {
        if (--stepsToSweep > 0) {
            return false;
        }
        boolean isMore = rows.sweep(oldestKept());
        stepsToSweep = isMore ? 0 : STEPS_BETWEEN_SWEEPS;
        return isMore;
    }

    private Instant oldestKept() {
        return expiry.instant().minus(kept);
    }

    private void apply(List<DecidedSubmission> handed) {
        List<Placed> placed = handed.stream().map(Placed::of).toList();
        DecidedSubmission last = handed.get(handed.size() - 1);
        apply(last.sequence(), RecordDigest.of(last), placed, Map.of());
    }

    private void apply(long last, String digest, List<Placed> placed, Map<String, String> notes) {
        rows.apply(new Group(new Position(log.logId(), last, digest), placed, notes));
        reader.forget(last);
        position = last;
    }

    /**
     * Reads and records the next chunk of the log, up to the submissions that were handed over.
     *
     * @return whether there is more to read
     */
    private boolean readLog(long decidedUpTo) throws IOException {
        Chunk chunk = reader.next(position, decidedUpTo, decided.first()).orElse(null);
        if (chunk == null) {
            return reader.isUnfinished();
        }
        List<Placed> placed = placed(chunk.records());
        if (over.getCount() == 0) {
            return false;
        }
        Map<String, String> notes = new LinkedHashMap<>();
        for (Missing gap : chunk.missing()) {
            notes.put(
                    GAPS + log.logId() + "/" + String.format(Locale.ROOT, "%019d", gap.first()),
                    "log records " + gap.first() + " to " + gap.last());
        }
        long before = position;
        apply(chunk.last(), chunk.digest(), placed, notes);
        chunk.missing().forEach(this::report);
        if (isIncomplete && !chunk.records().isEmpty() && position / REPORT_EVERY > before / REPORT_EVERY) {
            LOG.info("the record of outcomes is derived from the log: record {} of {}", position, decidedUpTo);
        }
        return position < decidedUpTo;
    }

    private void report(Missing gap) {
        metrics.missed.add(gap.last() - gap.first() + 1);
        LOG.error(
                "the record of outcomes has a gap: sequences {} to {} were missing when the log was read",
                gap.first(),
                gap.last());
    }

    /**
     * Finds the position after which to continue: 0 if the rows have no position for this log, or if the position does
     * not match the log; the follower then begins with the oldest existing log record.
     */
    private void findPosition() throws IOException {
        long known = readPosition();
        reader.begin(known, !hasPosition || known < position);
        position = known;
        isIncomplete = rows.isIncomplete() || (known == 0 && log.decidedUpTo() > 0);
        lastWhenRead = log.last();
        knowsPosition = true;
        hasPosition = true;
    }

    private long readPosition() throws IOException {
        Position stored = rows.position(log.logId()).orElse(null);
        if (stored == null) {
            return 0;
        }
        long known = stored.sequence();
        String problem = reader.whyNotAt(known, stored.digest(), !hasPosition).orElse(null);
        if (problem != null) {
            LOG.error("the record of outcomes is based on the log up to sequence {}, but {}", known, problem);
            rows.wentBack(log.logId());
            return 0;
        }
        return known;
    }

    /** Returns the versions to which a chunk leads; may return fewer if the follower is closed meanwhile. */
    private List<Placed> placed(List<LogRecord> chunk) throws IOException {
        List<Placed> placed = new ArrayList<>();
        Map<Long, LogRecord> submissions = new HashMap<>();
        for (LogRecord record : chunk) {
            if (over.getCount() == 0) {
                return placed; // the chunk is not applied; the next start begins with it
            }
            if (LoggedOutcomes.isSubmission(record)) {
                submissions.put(record.sequence(), record);
                placed.add(placed(record.sequence(), record));
            }
            OptionalLong overruled = LoggedOutcomes.overruledBy(record);
            if (overruled.isPresent()) {
                // also for a submission in this chunk, because an outcome between both records may be another one, and
                // the chunks must not matter; if the log no longer contains the submission, its recorded outcome stays
                LogRecord submission = submissions.get(overruled.getAsLong());
                submission = submission == null ? reader.at(overruled.getAsLong()) : submission;
                if (submission != null && LoggedOutcomes.isSubmission(submission)) {
                    placed.add(placed(record.sequence(), submission));
                }
            }
        }
        return placed;
    }

    private Placed placed(long sequence, LogRecord submission) throws IOException {
        return Placed.of(sequence, submission, reader.decide(submission));
    }

    /** Stops the thread after its current commit. Waits at most a second for the thread to end. */
    @Override
    public void close() {
        over.countDown(); // an interrupt would close the file that the thread reads
        try {
            thread.join(CLOSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** The metrics of the record of outcomes; all are 0 without a record. */
    public static final class RecordMetrics extends Metrics.Feature {
        private final Gauge lagRecords =
                gauge("flk_record_lag_records", "Log records that are decided but not yet in the record of outcomes.");
        private final Gauge lagSeconds =
                gauge("flk_record_lag_seconds", "Time since the record of outcomes was last up to date; 0 if it is.");
        private final Count missed = counter(
                "flk_record_missed_total", "Log records that were removed before they were in the record of outcomes.");

        public RecordMetrics(Metrics metrics) {
            super(metrics);
        }
    }
}
