// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.follow;

import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.decide.RecordKind.Overruled;
import dev.flk.backend.follow.DecidedPart.Missing;
import dev.flk.backend.follow.DecidedPart.Outcome;
import dev.flk.backend.follow.DecidedQueue.Handed;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.view.LogFollower;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A reader of the decided part of the inbox log for a follower that continues at a position. It reads in parts, and
 * knows the outcome of every submission in them, and which reviews are voided. It takes submissions from {@link
 * DecidedQueue} if the queue still has them; others it reads from the log and decides again. Before that, it reads
 * ahead for the records that overrule submissions or void reviews. One thread; after an exception, {@link #begin} comes
 * first.
 */
final class DecidedReader implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.follow");
    private static final int MOST_RECORDS = 1_000;
    /** The number of bytes at which a part ends, counted over the bodies of its records. */
    private static final long MOST_BYTES = 1 << 20;

    private static final int EXAMINED_AT_ONCE = 20_000;

    private final DecidedLog log;
    private final DecidedQueue handedOver;
    private final BooleanSupplier mayContinue;
    private final LongSupplier settledUpTo;
    private final LogFollower reader;
    private final LogFollower ahead;

    /**
     * The outcomes that overrule submissions after the position. The reader finds these outcomes by reading ahead in the
     * log.
     */
    private final LoggedOutcomes outcomes = new LoggedOutcomes();

    private long lookedUpTo;
    /**
     * The sequence up to which chunks are read at the moment, which is an earlier value of {@link
     * DecidedLog#decidedUpTo}. A new value is read when the position has reached this sequence. A lower value, which
     * occurs when the store was lost, takes effect at once.
     */
    private long upTo;
    /** The sequence of the last log record that was on disk when {@link #upTo} was set. */
    private long lookUpTo;
    /** The sequence up to which it was known, before {@link #lookUpTo} was set, which reviews are voided. */
    private long settled;

    private boolean isUnfinished;
    private boolean isUnsettled;

    /**
     * @param mayContinue returns false once this reader is about to be closed
     * @param settledUpTo a supplier of the sequence up to which each review that does not take effect is voided in the
     *     log; the reader does not pass a review after it
     */
    DecidedReader(DecidedLog log, DecidedQueue handedOver, BooleanSupplier mayContinue, LongSupplier settledUpTo) {
        this.log = log;
        this.handedOver = handedOver;
        this.mayContinue = mayContinue;
        this.settledUpTo = settledUpTo;
        this.reader = new LogFollower(log);
        this.ahead = new LogFollower(log);
    }

    /**
     * Begins after a position.
     *
     * @param isBack whether the position may be lower than the one before, as at the start
     */
    void begin(long position, boolean isBack) {
        lookedUpTo = isBack ? position : Math.max(lookedUpTo, position);
    }

    /**
     * Returns why the log does not continue what was derived from it up to a record: the log was restored from an older
     * copy, or lost its end. The text completes a sentence; empty if the log continues it.
     *
     * @param stored the sequence of that record, and its digest, see {@link DecidedPart}
     * @param isStart whether nothing has been read since the start; records that were appended since then may reuse the
     *     sequences of lost records
     */
    Optional<String> whyNotAt(Position stored, boolean isStart) throws IOException {
        long end = isStart ? log.lastAtStart() : log.last();
        if (stored.sequence() > end) {
            return Optional.of("the log ended at sequence " + end
                    + ": the log was restored from an older copy, or lost its end. The log is now read again from its"
                    + " oldest segment");
        }
        LogRecord record = stored.digest().isEmpty() ? null : reader.at(stored.sequence());
        return record == null || RecordDigest.of(record).equals(stored.digest())
                ? Optional.empty()
                : Optional.of(
                        "the log now has different content at this sequence: it was restored from an older copy, or"
                                + " lost its end. The log is now read again from its oldest segment");
    }

    /**
     * Returns the next part after a position; empty if there is nothing to read, or if the reader {@linkplain
     * #isUnfinished is unfinished}.
     *
     * @param decidedUpTo see {@link DecidedLog#decidedUpTo}
     */
    Optional<DecidedPart> next(long position, long decidedUpTo) throws IOException {
        isUnfinished = false;
        isUnsettled = false;
        List<Handed> handed = handedOver.after(this, position, MOST_RECORDS, MOST_BYTES);
        if (!handed.isEmpty()) {
            DecidedSubmission last = handed.get(handed.size() - 1).submission();
            List<Outcome> made = handed.stream().map(Handed::outcome).toList();
            return Optional.of(
                    new DecidedPart(position, last.sequence(), RecordDigest.of(last), made, List.of(), List.of()));
        }
        Optional<DecidedPart> part = handedOver.left(position, decidedUpTo);
        if (part.isEmpty()) {
            part = read(position, decidedUpTo);
            part.filter(read -> read.reviews().isEmpty()) // another follower may know more of these to be voided
                    .ifPresent(read -> handedOver.leave(read, decidedUpTo));
        }
        return part;
    }

    private long settledUpTo() {
        return settledUpTo.getAsLong();
    }

    private Optional<DecidedPart> read(long position, long decidedUpTo) throws IOException {
        if (position >= upTo || decidedUpTo < upTo) {
            settled = settledUpTo();
            upTo = decidedUpTo;
            lookUpTo = log.last();
        }
        if (position >= upTo) {
            return Optional.empty();
        }
        if (!lookAhead(position)) {
            isUnfinished = true;
            return Optional.empty();
        }
        long end = Math.min(upTo, handedOver.firstAfter(position).orElse(Long.MAX_VALUE) - 1);
        List<LogRecord> chunk = records(position, end);
        if (chunk.isEmpty() && end < upTo) {
            chunk = records(position, upTo); // the log lacks the records before those that were handed over
        }
        chunk.forEach(outcomes::note);
        List<LogRecord> known = untilUnsettled(chunk);
        if (known.isEmpty() && !chunk.isEmpty()) {
            isUnsettled = true;
            upTo = position; // the next call asks again
            return Optional.empty();
        }
        chunk = known;
        boolean isLost = chunk.isEmpty() && log.areLost(position + 1, upTo);
        if (chunk.isEmpty() && !isLost) {
            upTo = position; // if all records up to upTo are missing, only a record after them can show the gap
            return Optional.empty();
        }
        List<Outcome> decided = decided(chunk);
        List<PlacedReview> reviews = new ArrayList<>();
        for (LogRecord record : chunk) {
            outcomes.review(record)
                    .ifPresent(review -> reviews.add(new PlacedReview(record.sequence(), Reviewed.of(review))));
        }
        if (!mayContinue.getAsBoolean()) {
            isUnfinished = true;
            return Optional.empty();
        }
        LogRecord newest = isLost ? null : chunk.get(chunk.size() - 1);
        long last = newest == null ? upTo : newest.sequence();
        String digest = newest == null ? "" : RecordDigest.of(newest);
        return Optional.of(new DecidedPart(position, last, digest, decided, reviews, missing(position, chunk, last)));
    }

    /** Returns the records before the first review of which it is not known whether it is voided. */
    private List<LogRecord> untilUnsettled(List<LogRecord> chunk) throws IOException {
        for (int i = 0; i < chunk.size(); i++) {
            if (chunk.get(i).sequence() > settled
                    && outcomes.review(chunk.get(i)).isPresent()) {
                return chunk.subList(0, i);
            }
        }
        return chunk;
    }

    /** Returns whether the last call of {@link #next} ended before it had looked far enough ahead, or decided its part. */
    boolean isUnfinished() {
        return isUnfinished;
    }

    /**
     * Returns whether the last call of {@link #next} ended before a review of which it is not known whether it is
     * voided.
     */
    boolean isUnsettled() {
        return isUnsettled;
    }

    /** Returns the outcomes to which a chunk leads; may return fewer if the follower is closed meanwhile. */
    private List<Outcome> decided(List<LogRecord> chunk) throws IOException {
        List<Outcome> decided = new ArrayList<>();
        Map<Long, LogRecord> submissions = new HashMap<>();
        for (LogRecord record : chunk) {
            if (!mayContinue.getAsBoolean()) {
                return decided;
            }
            if (LoggedOutcomes.isSubmission(record)) {
                submissions.put(record.sequence(), record);
                decided.add(Outcome.of(record.sequence(), record, outcomes.compare(record, null)));
            }
            Optional<Overruled> overruled = Overruled.in(record);
            if (overruled.isPresent()) {
                // also for a submission in this chunk, because an outcome between both records may be another one, and
                // the chunks must not matter; if the log no longer contains the submission, its recorded outcome stays
                long sequence = overruled.get().sequence();
                LogRecord submission = submissions.get(sequence);
                submission = submission == null ? reader.at(sequence) : submission;
                if (submission != null && LoggedOutcomes.isSubmission(submission)) {
                    decided.add(Outcome.of(record.sequence(), submission, outcomes.compare(submission, null)));
                }
            }
        }
        return decided;
    }

    /** Notes that the sink has everything up to this sequence. */
    void forget(long upTo) {
        outcomes.forget(upTo);
    }

    /**
     * Reads ahead in the log for records that overrule submissions, one part at a time. Such a record comes after the
     * submission that it overrules, and is on disk before {@link DecidedLog#decidedUpTo} passes the submission.
     *
     * @return whether all records that may overrule a submission up to {@link #upTo} have been read
     */
    private boolean lookAhead(long position) throws IOException {
        lookedUpTo = Math.max(lookedUpTo, position);
        for (int looked = 0; lookedUpTo < lookUpTo; looked++) {
            if (looked == EXAMINED_AT_ONCE || !mayContinue.getAsBoolean()) {
                return false;
            }
            LogRecord record = ahead.next(lookedUpTo, lookUpTo);
            if (record == null) {
                lookedUpTo = lookUpTo; // the log lacks the records up to lookUpTo; see missing()
            } else {
                outcomes.note(record);
                lookedUpTo = record.sequence();
            }
        }
        return true;
    }

    private List<LogRecord> records(long position, long end) throws IOException {
        List<LogRecord> chunk = new ArrayList<>();
        long bytes = 0;
        long last = position;
        while (chunk.size() < MOST_RECORDS && bytes < MOST_BYTES && last < end) {
            LogRecord record = reader.next(last, end);
            if (record == null) {
                break;
            }
            chunk.add(record);
            bytes += record.body().length;
            last = record.sequence();
        }
        return chunk;
    }

    /**
     * Returns the gaps in the log before and within a chunk, and after it up to {@code last}. While nothing is recorded
     * (position 0), records missing before the chunk are not a gap, because the retention of the log may have removed
     * them. Sequences that a restore of the log skipped are no gap either: which of them had records is unknown.
     */
    private List<Missing> missing(long position, List<LogRecord> chunk, long last) {
        List<Missing> missing = new ArrayList<>();
        long expected = position == 0 && !chunk.isEmpty() ? chunk.get(0).sequence() : position + 1;
        for (LogRecord record : chunk) {
            addMissing(missing, expected, record.sequence() - 1);
            expected = record.sequence() + 1;
        }
        addMissing(missing, expected, last);
        return missing;
    }

    private void addMissing(List<Missing> missing, long first, long last) {
        if (first <= last) {
            for (Damage gap : log.withoutSkips(first, last)) {
                missing.add(new Missing(gap.firstMissing(), gap.lastMissing()));
            }
        }
    }

    /** Closes the files, and needs nothing that is handed over any more. */
    void end() {
        close();
        handedOver.ended(this);
    }

    /** Closes the files; another call opens them again. */
    @Override
    public void close() {
        for (LogFollower each : List.of(reader, ahead)) {
            try {
                each.close();
            } catch (IOException e) {
                LOG.warn("a reader of the log could not be closed: {}", e.getMessage());
            }
        }
    }
}
