// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.decide.LoggedOutcomes.Compared;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.view.LogFollower;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A reader of the decided part of the inbox log for a view that continues at a position. It reads in chunks, and knows
 * the outcome of every submission in them: before a chunk, it reads ahead for the records that overrule submissions. One
 * thread; after an exception, {@link #begin} comes first.
 */
public final class DecidedReader implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");
    private static final int EXAMINED_AT_ONCE = 20_000;

    private final DecidedLog log;
    private final int mostRecords;
    private final long mostBytes;
    private final BooleanSupplier mayGoOn;
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

    private boolean isUnfinished;

    /** A range of sequences that the log lacks without an explanation; both are inclusive. */
    public record Missing(long first, long last) {}

    /**
     * A part of the log.
     *
     * @param last the sequence up to which the log was read
     * @param digest identifies the last record; empty if the log lacks all records up to {@code last}
     * @param records its records of all kinds
     * @param missing what is missing before and between them
     */
    public record Chunk(long last, String digest, List<LogRecord> records, List<Missing> missing) {}

    /**
     * @param mostRecords the most records of a chunk
     * @param mostBytes the number of bytes at which a chunk ends, counted over the bodies of its records
     * @param mayGoOn returns false once this reader is about to be closed
     */
    public DecidedReader(DecidedLog log, int mostRecords, long mostBytes, BooleanSupplier mayGoOn) {
        this.log = log;
        this.mostRecords = mostRecords;
        this.mostBytes = mostBytes;
        this.mayGoOn = mayGoOn;
        this.reader = new LogFollower(log);
        this.ahead = new LogFollower(log);
    }

    /**
     * Begins after a position.
     *
     * @param isBack whether the position may be lower than the one before, as at the start
     */
    public void begin(long position, boolean isBack) {
        lookedUpTo = isBack ? position : Math.max(lookedUpTo, position);
    }

    /**
     * Returns why the log does not continue what was derived from it up to a record: the log was restored from an older
     * copy, or lost its end. The text completes a sentence; empty if the log continues it.
     *
     * @param digest the digest of that record, see {@link Chunk}
     * @param isStart whether nothing has been read since the start; records that were appended since then may reuse the
     *     sequences of lost records
     */
    public Optional<String> whyNotAt(long sequence, String digest, boolean isStart) throws IOException {
        long end = isStart ? log.lastAtStart() : log.last();
        if (sequence > end) {
            return Optional.of("the log ended at sequence " + end
                    + ": the log was restored from an older copy, or lost its end. The log is now read again from its"
                    + " oldest segment");
        }
        LogRecord record = digest.isEmpty() ? null : at(sequence);
        return record == null || RecordDigest.of(record).equals(digest)
                ? Optional.empty()
                : Optional.of(
                        "the log now has different content at this sequence: it was restored from an older copy, or"
                                + " lost its end. The log is now read again from its oldest segment");
    }

    /**
     * Returns the next chunk after a position; empty if there is nothing to read, or if the reader has not looked far
     * enough ahead yet.
     *
     * @param decidedUpTo see {@link DecidedLog#decidedUpTo}
     * @param other the first sequence that the caller has from elsewhere, before which the chunk ends; empty for none
     */
    public Optional<Chunk> next(long position, long decidedUpTo, OptionalLong other) throws IOException {
        isUnfinished = false;
        if (position >= upTo || decidedUpTo < upTo) {
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
        long end = other.isPresent() && other.getAsLong() > position ? Math.min(upTo, other.getAsLong() - 1) : upTo;
        List<LogRecord> chunk = read(position, end);
        if (chunk.isEmpty() && end < upTo) {
            chunk = read(position, upTo); // the log lacks the records before those that the caller has
        }
        boolean isLost = chunk.isEmpty() && log.areLost(position + 1, upTo);
        if (chunk.isEmpty() && !isLost) {
            upTo = position; // if all records up to upTo are missing, only a record after them can show the gap
            return Optional.empty();
        }
        chunk.forEach(outcomes::note);
        LogRecord newest = isLost ? null : chunk.get(chunk.size() - 1);
        long last = newest == null ? upTo : newest.sequence();
        String digest = newest == null ? "" : RecordDigest.of(newest);
        return Optional.of(new Chunk(last, digest, chunk, missing(position, chunk, last)));
    }

    /** Returns whether the last call of {@link #next} ended before it had looked far enough ahead. */
    public boolean isUnfinished() {
        return isUnfinished;
    }

    /** Returns the record with this sequence; null if the log has no such record. */
    public @Nullable LogRecord at(long sequence) throws IOException {
        return reader.at(sequence);
    }

    /** Returns whether a submission of a chunk was overruled: another outcome of its id was recorded first. */
    public boolean isOverruled(LogRecord submission) {
        return outcomes.isOverruled(submission);
    }

    /** Returns the outcome with which a submission of a chunk, or one before it, was answered. */
    public Compared decide(LogRecord submission) throws IOException {
        return outcomes.compare(submission, null);
    }

    /** Notes that the view has everything up to this sequence. */
    public void forget(long upTo) {
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
            if (looked == EXAMINED_AT_ONCE || !mayGoOn.getAsBoolean()) {
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

    private List<LogRecord> read(long position, long end) throws IOException {
        List<LogRecord> chunk = new ArrayList<>();
        long bytes = 0;
        long last = position;
        while (chunk.size() < mostRecords && bytes < mostBytes && last < end) {
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
