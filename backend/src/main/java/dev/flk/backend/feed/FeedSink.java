// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.feed;

import dev.flk.backend.feed.FeedEvents.OutcomeEvent;
import dev.flk.backend.follow.DecidedPart;
import dev.flk.backend.follow.DecidedPart.Outcome;
import dev.flk.backend.follow.DecidedQueue;
import dev.flk.backend.follow.Follower;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
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
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The feed, as its {@link Follower} writes it: commits an event for each submission whose outcome won, together with the
 * position. A submission that was overruled has no event. Reviews follow once the log is fed up to now. While the brokers
 * are away, nothing is read.
 */
public final class FeedSink implements Follower.Sink {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.feed");
    private static final int REVIEWS_AT_ONCE = 100;
    private static final long LOOK_EVERY_MILLIS = 100;
    /** The digest in a position of which no record is known. */
    private static final String NONE = "-";

    private final DecidedLog log;
    private final FeedTopic topic;
    private final @Nullable Reviews reviews;
    private final FeedMetrics metrics;
    private final FeedEvents events;

    // used by the follower's thread
    /** The position that was committed last; its reviews may be older than {@link #examined}. */
    private FeedPosition committed;
    /** The position up to which reviews were looked for. */
    private String examined = "";
    /** Reviews that are not fed yet; null if they are not known. */
    private @Nullable Fetched fetched;

    private @Nullable String reportedReviews;

    /**
     * Reviews that were read.
     *
     * @param decidedUpTo how far the log was decided afterwards; a review follows its outcome, which is before that
     */
    private record Fetched(Reviews.Changes changes, List<FeedEvent> events, long decidedUpTo) {}

    private FeedSink(DecidedLog log, FeedTopic topic, @Nullable Reviews reviews, FeedMetrics metrics) {
        this.log = log;
        this.topic = topic;
        this.reviews = reviews;
        this.metrics = metrics;
        this.events = new FeedEvents(log.logId());
        this.committed = new FeedPosition(log.logId(), 0, NONE, "");
    }

    /**
     * Creates the follower that feeds a topic, and closes it in the end.
     *
     * @param reviews null if there are none
     */
    public static Follower follower(
            DecidedLog log,
            DecidedQueue handedOver,
            FeedTopic topic,
            @Nullable Reviews reviews,
            FeedMetrics metrics,
            LongSupplier nanoTicker) {
        Follower follower =
                new Follower(new FeedSink(log, topic, reviews, metrics), log, handedOver, metrics.follower, nanoTicker);
        metrics.watch(follower);
        return follower;
    }

    /** Checks that this process owns the log: a former owner must not take the feed from its successor. */
    @Override
    public boolean isReady(boolean isOpen) throws LockLostException {
        Optional<LockLostException> lost = log.lockLost();
        if (lost.isPresent()) {
            throw lost.get();
        }
        return true;
    }

    @Override
    public Position open() {
        FeedPosition stored = topic.open(new FeedPosition(log.logId(), 0, NONE, ""));
        committed = stored;
        examined = stored.reviews();
        fetched = null;
        return new Position(log.logId(), stored.sequence(), stored.digest().equals(NONE) ? "" : stored.digest());
    }

    @Override
    public void begin(Position stored, @Nullable String problem) {
        if (problem != null) {
            LOG.error(
                    "the log was fed up to sequence {}, but {}, so outcomes are fed once more",
                    stored.sequence(),
                    problem);
            committed = new FeedPosition(log.logId(), 0, NONE, examined);
        }
    }

    @Override
    public void apply(DecidedPart part) {
        List<FeedEvent> winners = new ArrayList<>();
        int omitted = 0;
        for (Outcome outcome : part.outcomes()) {
            if (!outcome.isOverruled()) {
                OutcomeEvent event = events.outcome(outcome, topic.maxValueBytes());
                winners.add(event.event());
                omitted += event.isWhole() ? 0 : 1;
            }
        }
        commit(winners, part.last(), part.digest().isEmpty() ? NONE : part.digest());
        metrics.omitted.add(omitted);
    }

    private void commit(List<FeedEvent> all, long sequence, String digest) {
        FeedPosition after = new FeedPosition(log.logId(), sequence, digest, examined);
        topic.commit(all, after);
        metrics.events.add(all.size());
        committed = after;
    }

    @Override
    public boolean work(long position, boolean isMore, BooleanSupplier mayGoOn) {
        fetchReviews();
        return feedReviews(position);
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
    private boolean feedReviews(long position) {
        Fetched read = fetched;
        if (read == null || position < read.decidedUpTo()) {
            return false;
        }
        fetched = null;
        examined = read.changes().position();
        if (!read.events().isEmpty()) {
            commit(read.events(), committed.sequence(), committed.digest());
        }
        return read.changes().hasMore();
    }

    private void reportReviews(@Nullable String failure) {
        if (failure != null && !failure.equals(reportedReviews)) {
            LOG.warn("the reviews in the feed wait: {}", failure);
        }
        reportedReviews = failure;
    }

    @Override
    public long restMillis(boolean isMore, long workedNanos) {
        return isMore ? 0 : LOOK_EVERY_MILLIS;
    }

    @Override
    public boolean isOutage(Throwable failure) {
        return failure instanceof FeedUnavailableException || failure instanceof FeedFencedException;
    }

    @Override
    public boolean isFinal(Throwable failure) {
        return failure instanceof LockLostException || failure instanceof FeedFencedException;
    }

    /** An interrupt ends a call that waits for brokers. */
    @Override
    public boolean mayInterrupt() {
        return true;
    }

    @Override
    public void close() {
        topic.close();
    }
}
