// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.feed;

import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.feed.FeedEvents.OutcomeEvent;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.outcomes.record.DecidedReader;
import dev.flk.backend.outcomes.record.DecidedReader.Chunk;
import dev.flk.backend.outcomes.record.DecidedReader.Missing;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.Reviews;
import dev.flk.feed.FeedEvent;
import dev.flk.feed.FeedFencedException;
import dev.flk.feed.FeedPosition;
import dev.flk.feed.FeedTopic;
import dev.flk.feed.FeedUnavailableException;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The writer of the feed: follows the decided part of the inbox log, and commits an event for each submission whose
 * outcome won, together with the position. A submission that was overruled has no event. Reviews follow once the log is
 * fed up to now. While the brokers are away, nothing is read or kept in memory.
 *
 * <p>The follower has its own thread, on which all calls of the topic are made.
 */
public final class FeedFollower implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.feed");
    private static final int CHUNK_RECORDS = 500;
    private static final long CHUNK_BYTES = 2 << 20;
    private static final int REVIEWS_AT_ONCE = 100;
    private static final long LOOK_EVERY_MILLIS = 100;
    private static final long AFTER_FAILURE_MILLIS = 1_000;
    private static final long CLOSE_MILLIS = 1_000;
    /** The digest in a position of which no record is known. */
    private static final String NONE = "-";

    private final DecidedLog log;
    private final FeedTopic topic;
    private final @Nullable Reviews reviews;
    private final FeedMetrics metrics;
    private final LongSupplier nanoTicker;
    private final FeedEvents events;
    private final Thread thread = new Thread(this::run, "feed");
    private final CountDownLatch over = new CountDownLatch(1);

    /** The position in the topic; null while it is not known. Written by the thread. */
    private volatile @Nullable FeedPosition position;

    private volatile boolean isUp;
    private volatile long upToDateNanos;

    // used by the follower's thread
    private final DecidedReader reader;
    private boolean hasRead;
    /** The highest sequence of a position since the start. */
    private long reached;
    /** The position up to which reviews were looked for; at or after the committed one. */
    private String examined = "";
    /** Reviews that are not fed yet; null if they are not known. */
    private @Nullable Fetched fetched;

    private volatile @Nullable String reportedFailure;
    private volatile boolean hasEnded;
    private @Nullable String reportedReviews;

    /**
     * Reviews that were read.
     *
     * @param decidedUpTo how far the log was decided afterwards; a review follows its outcome, which is before that
     */
    private record Fetched(Reviews.Changes changes, List<FeedEvent> events, long decidedUpTo) {}

    /**
     * Creates the follower; {@link #start} starts its thread, which closes the topic in the end.
     *
     * @param reviews null if there are none
     */
    public FeedFollower(
            DecidedLog log, FeedTopic topic, @Nullable Reviews reviews, FeedMetrics metrics, LongSupplier nanoTicker) {
        this.log = log;
        this.topic = topic;
        this.reviews = reviews;
        this.metrics = metrics;
        this.nanoTicker = nanoTicker;
        this.events = new FeedEvents(log.logId());
        this.reader = new DecidedReader(log, CHUNK_RECORDS, CHUNK_BYTES, () -> over.getCount() > 0);
        this.upToDateNanos = nanoTicker.getAsLong();
        metrics.watch(this);
    }

    public FeedFollower start() {
        thread.start();
        return this;
    }

    /** Returns the sequence up to which the log is fed; 0 while that is not known. */
    public long position() {
        FeedPosition known = position;
        return known == null ? 0 : known.sequence();
    }

    /** Returns why nothing is fed; empty while outcomes are fed. */
    public Optional<String> problem() {
        String failure = reportedFailure;
        if (failure == null) {
            return isUp ? Optional.empty() : Optional.of("is being opened");
        }
        return Optional.of((hasEnded ? "has ended: " : "waits, and continues in order: ") + failure);
    }

    /** Returns whether this process feeds nothing any more. */
    boolean hasEnded() {
        return hasEnded;
    }

    /** Returns whether the last attempt to feed succeeded. */
    boolean isUp() {
        return isUp;
    }

    double lagRecords() {
        FeedPosition known = position;
        return known == null ? Double.NaN : Math.max(0, log.decidedUpTo() - known.sequence());
    }

    double lagSeconds() {
        return isUp && position() >= log.decidedUpTo() ? 0 : (nanoTicker.getAsLong() - upToDateNanos) / 1e9;
    }

    private void run() {
        while (over.getCount() > 0 && !hasEnded) {
            long restMillis;
            try {
                requireOwned();
                boolean isMore = step();
                if (!reader.isUnfinished()) {
                    report(null, null);
                }
                restMillis = isMore ? 0 : LOOK_EVERY_MILLIS;
            } catch (LockLostException | FeedFencedException e) {
                end(String.valueOf(e.getMessage()));
                break;
            } catch (IOException | FeedUnavailableException e) {
                report(String.valueOf(e.getMessage()), null);
                restMillis = AFTER_FAILURE_MILLIS;
            } catch (RuntimeException | Error e) {
                report(e.toString(), e);
                restMillis = AFTER_FAILURE_MILLIS;
            }
            rest(restMillis);
        }
        reader.close();
        topic.close();
    }

    /** Checks that this process owns the log: a former owner must not take the feed from its successor. */
    private void requireOwned() throws LockLostException {
        Optional<LockLostException> lost = log.lockLost();
        if (lost.isPresent()) {
            throw lost.get();
        }
    }

    private void end(String why) {
        isUp = false;
        reportedFailure = why;
        hasEnded = true;
        LOG.error("the feed has ended, because it belongs to another process: {}", why);
    }

    private void rest(long millis) {
        try {
            over.await(millis, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            over.countDown(); // close() interrupts
        }
    }

    /** Logs a failure unless it was logged last; null means success. */
    private void report(@Nullable String failure, @Nullable Throwable unexpected) {
        isUp = failure == null;
        if (over.getCount() > 0 && failure != null && !failure.equals(reportedFailure)) {
            LOG.error("the feed waits, and continues in order: {}", failure, unexpected);
        } else if (failure == null && reportedFailure != null) {
            LOG.info("the feed continues after record {} of the log", position());
        }
        reportedFailure = failure;
    }

    /**
     * Commits one group.
     *
     * @return whether there is more to do
     * @throws IOException if the log can't be read, or contains a record that this version can't decide
     * @throws FeedUnavailableException if the brokers can't be used now
     * @throws FeedFencedException if another process writes the events of this log
     */
    boolean step() throws IOException {
        try {
            return tryStep();
        } catch (IOException | RuntimeException | Error e) {
            position = null; // the next step asks the brokers, because what failed may have taken effect
            reader.close();
            throw e;
        }
    }

    private boolean tryStep() throws IOException {
        FeedPosition known = position;
        if (known == null) {
            known = findPosition();
        }
        fetchReviews();
        long beginNanos = nanoTicker.getAsLong();
        long decidedUpTo = log.decidedUpTo();
        Chunk chunk =
                reader.next(known.sequence(), decidedUpTo, OptionalLong.empty()).orElse(null);
        if (chunk != null) {
            known = feed(chunk);
        }
        boolean isMore = chunk == null ? reader.isUnfinished() : chunk.last() < decidedUpTo;
        isMore |= feedReviews(known);
        if (position() >= decidedUpTo) {
            upToDateNanos = beginNanos;
        }
        return isMore;
    }

    private FeedPosition findPosition() throws IOException {
        FeedPosition start = new FeedPosition(log.logId(), 0, NONE, "");
        FeedPosition stored = topic.open(start);
        String problem = stored.sequence() == 0
                ? null
                : reader.whyNotAt(stored.sequence(), stored.digest().equals(NONE) ? "" : stored.digest(), !hasRead)
                        .orElse(null);
        if (problem != null) {
            LOG.error(
                    "the log was fed up to sequence {}, but {}, so outcomes are fed once more",
                    stored.sequence(),
                    problem);
            stored = new FeedPosition(log.logId(), 0, NONE, stored.reviews());
        }
        reader.begin(stored.sequence(), !hasRead || stored.sequence() < reached);
        hasRead = true;
        reached = stored.sequence();
        examined = stored.reviews();
        fetched = null;
        position = stored;
        return stored;
    }

    private FeedPosition feed(Chunk chunk) throws IOException {
        List<FeedEvent> winners = new ArrayList<>();
        int omitted = 0;
        for (LogRecord record : chunk.records()) {
            if (LoggedOutcomes.isSubmission(record) && !reader.isOverruled(record)) {
                OutcomeEvent event = events.outcome(record, reader.decide(record), topic.maxValueBytes());
                winners.add(event.event());
                omitted += event.isWhole() ? 0 : 1;
            }
        }
        FeedPosition after = commit(winners, chunk.last(), chunk.digest().isEmpty() ? NONE : chunk.digest());
        metrics.omitted.add(omitted);
        reader.forget(chunk.last());
        for (Missing gap : chunk.missing()) {
            metrics.missed.add(gap.last() - gap.first() + 1);
            LOG.error(
                    "the feed has a gap: sequences {} to {} were missing when the log was read",
                    gap.first(),
                    gap.last());
        }
        return after;
    }

    private FeedPosition commit(List<FeedEvent> all, long sequence, String digest) {
        FeedPosition after = new FeedPosition(log.logId(), sequence, digest, examined);
        topic.commit(all, after);
        metrics.events.add(all.size());
        position = after;
        reached = sequence;
        return after;
    }

    /** Reads the next reviews, unless those that were read last are not fed yet. */
    private void fetchReviews() {
        Reviews known = reviews;
        if (known == null || fetched != null) {
            return;
        }
        try {
            Reviews.Changes changes = known.changes(examined, REVIEWS_AT_ONCE);
            List<FeedEvent> reviewed = changes.reviews().stream()
                    .map(known::line)
                    .map(events::review)
                    .toList();
            fetched = new Fetched(changes, reviewed, log.decidedUpTo());
            reportReviews(null);
        } catch (StateException e) {
            boolean isLost = e.reason() == Reason.HISTORY_CHANGED || e.reason() == Reason.COMPACTED;
            if (isLost && !examined.isEmpty()) {
                LOG.error("reviews may be missing in the feed, and those that exist are fed again: {}", e.getMessage());
                examined = "";
            } else {
                reportReviews(e.getMessage());
            }
        } catch (RecordUnavailableException e) {
            reportReviews(e.getMessage());
        }
    }

    /** Feeds the reviews that were read, if their outcomes are fed; returns whether more may follow now. */
    private boolean feedReviews(FeedPosition at) {
        Fetched read = fetched;
        if (read == null || at.sequence() < read.decidedUpTo()) {
            return false;
        }
        fetched = null;
        examined = read.changes().position();
        if (!read.events().isEmpty()) {
            FeedPosition unused = commit(read.events(), at.sequence(), at.digest());
        }
        return read.changes().hasMore();
    }

    private void reportReviews(@Nullable String failure) {
        if (failure != null && !failure.equals(reportedReviews)) {
            LOG.warn("the reviews in the feed wait: {}", failure);
        }
        reportedReviews = failure;
    }

    /** Stops the thread after its current commit, or in it if that takes longer than a second. */
    @Override
    public void close() {
        over.countDown();
        try {
            thread.join(CLOSE_MILLIS);
            thread.interrupt(); // ends a call that waits for brokers
            thread.join(CLOSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
