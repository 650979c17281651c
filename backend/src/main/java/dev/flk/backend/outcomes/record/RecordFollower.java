// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.state.History.At;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.StateReads.Found;
import dev.flk.state.Version;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The writer of the record: follows the decided part of the inbox log, decides each submission again, and writes to the
 * state the outcomes with which the submissions were answered. The follower commits its position in the log to the
 * state together with the outcomes up to this position, or after them. Outcomes that are already recorded are not
 * written again. Therefore a kill never makes the follower miss or repeat an outcome. The follower never delays an
 * answer: under load, it uses only a part of one core.
 *
 * <p>The follower has its own thread.
 */
public final class RecordFollower implements AutoCloseable {
    /**
     * The agent id under which the state stores the positions of followers, one for each log id, and the gaps in the
     * logs.
     */
    private static final String WRITER = "record";

    /**
     * The namespace that contains, for each log, the position up to which its outcomes are recorded, and the gaps in
     * the log.
     */
    public static final String POSITIONS = "flk.positions";

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");
    private static final JsonMapper JSON = new JsonMapper();
    private static final int CHUNK_RECORDS = StateEngine.MAX_PAGE;
    private static final int INDEX_STEPS = 8;
    /**
     * The number of bytes at which a chunk ends, counted over the bodies of its log records. The values that are
     * written for a chunk may be three times as large and still fit into one transaction.
     */
    private static final long CHUNK_BYTES = 512 << 10;

    private static final long COMMIT_BYTES = 2 << 20;
    private static final int DIGEST_BYTES = 8;
    private static final int READ_AT_ONCE = 10;
    private static final int EXAMINED_AT_ONCE = 20_000;
    private static final long LOOK_EVERY_MILLIS = 250;
    private static final long AFTER_FAILURE_MILLIS = 1_000;
    /** The lowest rate of submissions per second at which the follower slows down. */
    private static final long BUSY_PER_SECOND = 500;
    /** The ratio of rest to work while the rate is {@link #BUSY_PER_SECOND} or more. */
    private static final int RESTS_PER_WORK = 6;

    private static final long LONGEST_REST_MILLIS = 2_000;
    private static final long CLOSE_MILLIS = 1_000;
    /**
     * The interval at which the position is written again, so that the removal of old history does not remove the
     * position.
     */
    private static final long POSITION_AGAIN_NANOS = TimeUnit.HOURS.toNanos(6);

    private final DecidedLog log;
    private final StateEngine engine;
    private final RecordIndex index;
    private final LongSupplier submissions;
    private final RecordMetrics metrics;
    private final LongSupplier nanoTicker;
    private final Thread thread = new Thread(this::run, "record-follower");
    private final CountDownLatch over = new CountDownLatch(1);
    private volatile long position;
    private volatile long upToDateNanos;

    // used by the follower's thread
    private boolean knowsPosition;
    private long positionNanos;
    private @Nullable LogWalk walk;
    /** The segment of the log that was the newest when {@link #walk} was opened. */
    private @Nullable String walkedSegment;
    /**
     * The outcomes that overrule submissions after the position. The follower finds these outcomes by reading ahead in
     * the log.
     */
    private final LoggedOutcomes outcomes = new LoggedOutcomes();

    private @Nullable LogWalk ahead;
    private @Nullable String aheadSegment;
    private long lookedUpTo;
    /**
     * The sequence up to which the follower currently records, which is an earlier value of {@link
     * DecidedLog#decidedUpTo}. The follower reads a new value when its position has reached this sequence. A lower
     * value, which occurs when the store was lost, takes effect at once.
     */
    private long upTo;
    /** The sequence of the last log record that was on disk when {@link #upTo} was set. */
    private long lookUpTo;

    /** Whether the position has been read since the start. */
    private boolean hasPosition;

    /** The digest of the log record at the position; empty if the position was written by a version without digests. */
    private String positionDigest = "";

    private @Nullable String reportedFailure;
    private long countedSubmissions;
    private long countedNanos;

    /**
     * Creates a follower; starts no thread.
     *
     * @param index the index of the record, which this follower keeps up to date
     * @param submissions the number of submissions since the start
     */
    public RecordFollower(
            DecidedLog log,
            StateEngine engine,
            RecordIndex index,
            LongSupplier submissions,
            RecordMetrics metrics,
            LongSupplier nanoTicker) {
        this.log = log;
        this.engine = engine;
        this.index = index;
        this.submissions = submissions;
        this.metrics = metrics;
        this.nanoTicker = nanoTicker;
        this.upToDateNanos = nanoTicker.getAsLong();
        this.countedNanos = upToDateNanos;
        this.positionNanos = upToDateNanos - POSITION_AGAIN_NANOS;
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
     * the record of outcomes, or was missing when the log was read.
     */
    public long position() {
        return position;
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
            } catch (IOException | StateException | CompletionException e) {
                Reason reason = reason(e);
                boolean isOvertaken = reason == Reason.VERSION_CONFLICT; // another backend has written the same key
                if (!isOvertaken && reason != Reason.STARTING) {
                    reportFailure(e);
                }
                forget();
                restMillis = isOvertaken ? 0 : AFTER_FAILURE_MILLIS;
            } catch (RuntimeException | Error e) {
                LOG.error(
                        "the record of outcomes has stopped after sequence {} of the log; the next attempt is in a"
                                + " second",
                        position,
                        e);
                forget();
                restMillis = AFTER_FAILURE_MILLIS;
            }
            rest(restMillis);
        }
        forget();
    }

    /** Returns why the state has refused a call; null for any other failure. */
    private static @Nullable Reason reason(Exception failure) {
        Throwable refusal = failure instanceof CompletionException ? failure.getCause() : failure;
        return refusal instanceof StateException refused ? refused.reason() : null;
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
     * succeeded; if a failure was logged before, logs that the record continues. If the state has failed, the line
     * about the failure is only a warning, because the state itself logs the error.
     */
    private void reportFailure(@Nullable Exception failure) {
        String message = failure == null ? null : String.valueOf(failure.getMessage());
        if (message != null && !message.equals(reportedFailure)) {
            if (failure instanceof IOException) {
                LOG.error(
                        "the record of outcomes has stopped after sequence {} of the log; the next attempt is in a"
                                + " second: {}",
                        position,
                        message);
            } else {
                LOG.warn(
                        "the record of outcomes is interrupted, because the state can't be read or written: {}",
                        message);
            }
        } else if (message == null && reportedFailure != null) {
            LOG.info("the record of outcomes continues after the interruption");
        }
        reportedFailure = message;
    }

    /**
     * Closes the readers of the log, and makes the next step read the position from the state again, because a commit
     * that failed may have taken effect.
     */
    private void forget() {
        knowsPosition = false;
        endWalk();
        endLookingAhead();
    }

    private void endWalk() {
        close(walk);
        walk = null;
    }

    private void endLookingAhead() {
        close(ahead);
        ahead = null;
    }

    private static void close(@Nullable LogWalk open) {
        if (open != null) {
            try {
                open.close();
            } catch (IOException e) {
                LOG.warn("a reader of the log could not be closed: {}", e.getMessage());
            }
        }
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
     * Records one chunk and continues the index.
     *
     * @return whether there is more to record or to index now
     * @throws IOException if the log can't be read, or contains a record that this version can't decide
     * @throws StateException if the state can't be read
     * @throws CompletionException if a commit fails; the cause is the StateException
     */
    boolean step() throws IOException {
        if (!knowsPosition) {
            long known = readPosition();
            if (!hasPosition || known < position) {
                // reads ahead again from the position, at the start and after the position has decreased; otherwise,
                // the outcomes that were already noted remain valid
                lookedUpTo = known;
            }
            position = known;
            lookedUpTo = Math.max(lookedUpTo, known);
            knowsPosition = true;
            hasPosition = true;
        }
        long decided = log.decidedUpTo();
        if (position >= upTo || decided < upTo) {
            upTo = decided;
            lookUpTo = log.last();
        }
        long beginNanos = nanoTicker.getAsLong();
        if (position < upTo && !lookAhead()) {
            return true;
        }
        List<LogRecord> chunk = position < upTo ? read() : List.of();
        if (chunk.isEmpty()) {
            upTo = position; // if all records up to upTo are missing, only a record after them can show the gap
        }
        long last = position;
        if (!chunk.isEmpty()) {
            last = chunk.get(chunk.size() - 1).sequence();
            List<Missing> missing = missing(chunk);
            List<Operation> operations = operations(chunk);
            if (over.getCount() == 0) {
                return false;
            }
            for (Missing gap : missing) {
                operations.add(new Operation.Write(
                        new StateKey(
                                POSITIONS,
                                WRITER,
                                log.logId() + "/missing/" + String.format(Locale.ROOT, "%019d", gap.first())),
                        "{\"first\":" + gap.first() + ",\"last\":" + gap.last() + "}",
                        Operation.ANY_VERSION));
            }
            String digest = digest(chunk.get(chunk.size() - 1));
            commit(operations, last, digest);
            positionDigest = digest;
            outcomes.forget(last);
            missing.forEach(this::report);
        } else if (beginNanos - positionNanos > POSITION_AGAIN_NANOS && position > 0) {
            commit(List.of(), position, positionDigest);
        }
        boolean isIndexIncomplete = true;
        for (int i = 0; i < INDEX_STEPS && isIndexIncomplete; i++) {
            isIndexIncomplete = index.step();
        }
        // set only after indexing, so that the outcomes up to this position can usually be searched; the index may
        // still lag behind
        position = last;
        if (position >= decided) {
            upToDateNanos = beginNanos;
        }
        return isIndexIncomplete || (!chunk.isEmpty() && position < decided);
    }

    /**
     * Commits operations and the position. If the operations are too large for one commit, they are divided among
     * several commits, of which only the last contains the position. If a commit fails, the next try begins at the old
     * position and skips the outcomes that are already recorded.
     */
    private void commit(List<Operation> operations, long last, String digest) {
        List<Operation> together = new ArrayList<>();
        long bytes = 0;
        for (Operation operation : operations) {
            if (bytes + operation.bytes() > COMMIT_BYTES) {
                apply(together);
                together.clear();
                bytes = 0;
            }
            together.add(operation);
            bytes += operation.bytes();
        }
        String positionJson =
                "{\"sequence\":" + last + (digest.isEmpty() ? "" : ",\"digest\":\"" + digest + "\"") + "}";
        together.add(new Operation.Write(positionKey(), positionJson, Operation.ANY_VERSION));
        apply(together);
        positionNanos = nanoTicker.getAsLong();
    }

    private void apply(List<Operation> operations) {
        engine.apply(WRITER, List.copyOf(operations), "").toCompletableFuture().join();
    }

    private record Missing(long first, long last) {}

    /**
     * Returns the gaps in the log before and within a chunk. While nothing is recorded (position 0), records missing
     * before the chunk are not a gap, because the retention of the log may have removed them.
     */
    private List<Missing> missing(List<LogRecord> chunk) {
        List<Missing> missing = new ArrayList<>();
        long expected = position == 0 ? chunk.get(0).sequence() : position + 1;
        for (LogRecord record : chunk) {
            if (record.sequence() > expected) {
                missing.add(new Missing(expected, record.sequence() - 1));
            }
            expected = record.sequence() + 1;
        }
        return missing;
    }

    private void report(Missing gap) {
        metrics.missed.add(gap.last() - gap.first() + 1);
        LOG.error(
                "the record of outcomes has a gap: sequences {} to {} were missing when the log was read",
                gap.first(),
                gap.last());
    }

    private StateKey positionKey() {
        return new StateKey(POSITIONS, WRITER, log.logId());
    }

    /**
     * Reads the position from the state. Returns 0 if the state has no position for this log, or if the position does
     * not match the log; the follower must then begin with the oldest existing log record.
     */
    private long readPosition() throws IOException {
        Found found =
                engine.reads().get(List.of(positionKey()), new At.Now()).found().get(0);
        if (!(found instanceof Found.Present present) || present.version().json() == null) {
            return 0;
        }
        long known;
        String digest;
        try {
            JsonNode json = JSON.readTree(present.version().json());
            known = json.path("sequence").asLong();
            digest = json.path("digest").asText();
        } catch (JsonProcessingException e) {
            throw new IOException(
                    "the state contains an invalid position for the record of outcomes: " + e.getMessage(), e);
        }
        // the first reading compares the position with the end that the log had at the start, because records that were
        // appended since then may reuse the sequences of lost records
        long end = hasPosition ? log.last() : log.lastAtStart();
        if (known > end) {
            LOG.error(
                    "the record of outcomes is based on the log up to sequence {}, but the log ended at sequence {}:"
                            + " the log was restored from an older copy, or lost its end. The log is now read again"
                            + " from its oldest segment",
                    known,
                    end);
            return 0;
        }
        if (!digest.isEmpty() && !isRecordAt(known, digest)) {
            LOG.error(
                    "the record of outcomes is based on the log up to sequence {}, but the log now has different"
                            + " content at this sequence: it was restored from an older copy, or lost its end. The log"
                            + " is now read again from its oldest segment",
                    known);
            return 0;
        }
        positionDigest = digest;
        return known;
    }

    /**
     * Returns whether the log record with this sequence still has this digest. Also returns true if the record is
     * missing.
     */
    private boolean isRecordAt(long sequence, String digest) throws IOException {
        try (LogWalk from = log.walk(sequence)) {
            LogRecord record = from.next();
            return record == null
                    || record.sequence() != sequence
                    || digest(record).equals(digest);
        }
    }

    /**
     * Returns the digest of a log record: the first 16 hex digits of SHA-256 over its sequence, arrival, kind, key and
     * body.
     */
    private static String digest(LogRecord record) {
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            String line = record.sequence() + " " + record.arrivalMillis() + " " + record.kind() + " " + record.keyId()
                    + "\n";
            sha256.update(line.getBytes(StandardCharsets.UTF_8));
            sha256.update(record.body());
            return HexFormat.of().formatHex(sha256.digest(), 0, DIGEST_BYTES);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this JVM has no SHA-256", e);
        }
    }

    /**
     * Reads ahead in the log for records that overrule submissions, one part at a time. Such a record comes after the
     * submission that it overrules, and is on disk before {@link DecidedLog#decidedUpTo} passes the submission.
     *
     * @return whether all records that may overrule a submission up to {@link #upTo} have been read
     */
    private boolean lookAhead() throws IOException {
        String newest = log.newestSegment();
        if (!newest.equals(aheadSegment)) {
            endLookingAhead();
        }
        aheadSegment = newest;
        for (int looked = 0; lookedUpTo < lookUpTo; looked++) {
            if (looked == EXAMINED_AT_ONCE || over.getCount() == 0) {
                return false;
            }
            LogWalk open = ahead;
            boolean isNew = open == null;
            if (open == null) {
                open = log.walk(lookedUpTo + 1);
                ahead = open;
            }
            LogRecord record = open.next();
            if (record != null && record.sequence() <= lookUpTo) {
                outcomes.note(record);
                lookedUpTo = record.sequence();
                continue;
            }
            endLookingAhead(); // the walk has no further record up to lookUpTo
            if (isNew) {
                // even a new walk found no further record, so the log lacks the records up to lookUpTo; see missing()
                lookedUpTo = lookUpTo;
            }
        }
        return true;
    }

    private List<LogRecord> read() throws IOException {
        // upTo was set earlier, so the segments that exist now contain all records up to upTo
        String newest = log.newestSegment();
        if (walk != null && !newest.equals(walkedSegment)) {
            endWalk();
        }
        LogWalk open = walk;
        if (open == null) {
            open = log.walk(position + 1);
            walk = open;
            walkedSegment = newest;
        }
        List<LogRecord> chunk = new ArrayList<>();
        long bytes = 0;
        long last = position;
        while (chunk.size() < CHUNK_RECORDS && bytes < CHUNK_BYTES && last < upTo) {
            LogRecord record = open.next();
            // the walk has ended, or the records up to upTo are missing
            if (record == null || record.sequence() > upTo) {
                endWalk();
                break;
            }
            chunk.add(record);
            bytes += record.body().length;
            last = record.sequence();
        }
        return chunk;
    }

    /**
     * Returns the writes by which a chunk changes the record of outcomes; returns none if the follower is closed
     * meanwhile.
     */
    private List<Operation> operations(List<LogRecord> chunk) throws IOException {
        chunk.forEach(outcomes::note);
        Map<StateKey, List<RecordedOutcome>> wanted = new LinkedHashMap<>();
        long first = chunk.get(0).sequence();
        for (LogRecord record : chunk) {
            if (over.getCount() == 0) {
                return new ArrayList<>(); // the chunk is not committed; the next start begins with it
            }
            if (LoggedOutcomes.isSubmission(record)) {
                add(wanted, record);
            }
            OptionalLong overruled = LoggedOutcomes.overruledBy(record);
            if (overruled.isPresent() && overruled.getAsLong() < first) {
                LogRecord submission = submission(overruled.getAsLong());
                if (submission != null) {
                    add(wanted, submission);
                }
            }
        }
        Map<StateKey, Existing> existing = existing(List.copyOf(wanted.keySet()));
        List<Operation> operations = new ArrayList<>();
        for (List<RecordedOutcome> ofKey : wanted.values()) {
            for (RecordedOutcome one : ofKey) {
                Existing before = existing.getOrDefault(one.key(), Existing.NONE);
                if (before.isChangedBy(one)) {
                    // another backend may write the same key, so each write takes effect only if the key still has the
                    // version that was read
                    operations.add(new Operation.Write(one.key(), one.json(), before.version()));
                    existing.put(one.key(), new Existing(before.version() + 1, one.json()));
                }
            }
        }
        return operations;
    }

    /**
     * The current content of a key.
     *
     * @param version the version of the value or of the deletion; 0 if the state has no version of the key
     * @param json the value; null if the key does not exist or was deleted
     */
    private record Existing(long version, @Nullable String json) {
        static final Existing NONE = new Existing(0, null);

        boolean isChangedBy(RecordedOutcome one) {
            return RecordedOutcome.isChanged(json, one.json());
        }
    }

    private void add(Map<StateKey, List<RecordedOutcome>> wanted, LogRecord submission) throws IOException {
        RecordedOutcome outcome = RecordedOutcome.of(submission, outcomes.compare(submission, null));
        wanted.computeIfAbsent(outcome.key(), key -> new ArrayList<>()).add(outcome);
    }

    /**
     * Returns the submission with this sequence. Returns null if the log no longer contains the submission; the outcome
     * that was recorded for it then stays as it is.
     */
    private @Nullable LogRecord submission(long sequence) throws IOException {
        try (LogWalk back = log.walk(sequence)) {
            LogRecord record = back.next();
            return record != null && record.sequence() == sequence && LoggedOutcomes.isSubmission(record)
                    ? record
                    : null;
        }
    }

    private Map<StateKey, Existing> existing(List<StateKey> keys) {
        Map<StateKey, Existing> existing = new HashMap<>();
        for (int from = 0; from < keys.size(); from += READ_AT_ONCE) {
            List<StateKey> some = keys.subList(from, Math.min(keys.size(), from + READ_AT_ONCE));
            List<Found> found = engine.reads().get(some, new At.Now()).found();
            for (int i = 0; i < some.size(); i++) {
                if (found.get(i) instanceof Found.Present present) {
                    Version version = present.version();
                    existing.put(some.get(i), new Existing(version.version(), version.json()));
                } else if (found.get(i) instanceof Found.Deleted deleted) {
                    existing.put(some.get(i), new Existing(deleted.version().version(), null));
                }
            }
        }
        return existing;
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
