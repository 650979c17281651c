// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.feed;

import dev.flk.backend.feed.FeedEvents.OutcomeEvent;
import dev.flk.backend.follow.DecidedPart;
import dev.flk.backend.follow.DecidedPart.Outcome;
import dev.flk.backend.follow.DecidedQueue;
import dev.flk.backend.follow.Follower;
import dev.flk.backend.follow.Follower.SinkException;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.feed.FeedEvent;
import dev.flk.feed.FeedFencedException;
import dev.flk.feed.FeedPosition;
import dev.flk.feed.FeedTopic;
import dev.flk.feed.FeedTopic.Loss;
import dev.flk.feed.FeedTopic.Opened;
import dev.flk.feed.FeedUnavailableException;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The feed, as its {@link Follower} writes it: commits an event for each submission whose outcome won, and for each
 * review that took effect, together with the position. A submission that was overruled and a review that was voided
 * have no event. While the brokers are away, nothing is read.
 */
public final class FeedSink implements Follower.Sink {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.feed");
    private static final long LOOK_EVERY_MILLIS = 100;
    /** The digest in a position of which no record is known. */
    private static final String NONE = "-";

    private final DecidedLog log;
    private final FeedTopic topic;
    private final FeedMetrics metrics;
    private final FeedEvents events;
    /** What was lost and is fed once more; null if nothing is. */
    private volatile @Nullable String again;

    private long againUpTo;

    private FeedSink(DecidedLog log, FeedTopic topic, FeedMetrics metrics) {
        this.log = log;
        this.topic = topic;
        this.metrics = metrics;
        this.events = new FeedEvents(log.logId());
    }

    /**
     * Creates the follower that feeds a topic.
     *
     * @param topic closed by the caller after the follower, which ends a call that waits for brokers
     * @param settledUpTo a supplier of the sequence up to which it is known which reviews take effect
     */
    public static Follower follower(
            DecidedLog log,
            DecidedQueue handedOver,
            FeedTopic topic,
            LongSupplier settledUpTo,
            FeedMetrics metrics,
            LongSupplier nanoTicker) {
        Follower follower = new Follower(
                new FeedSink(log, topic, metrics), log, handedOver, settledUpTo, metrics.follower, nanoTicker);
        metrics.watch(follower, topic);
        return follower;
    }

    /**
     * Checks the topic, and that this process owns the log: a former owner must not take the feed from its successor.
     */
    @Override
    public boolean isReady(boolean isOpen) {
        log.lockLost().ifPresent(lost -> {
            throw failure(lost, true);
        });
        if (isOpen) {
            reach(() -> {
                topic.check();
                return true;
            });
        }
        return true;
    }

    private static <T> T reach(Supplier<T> brokers) {
        try {
            return brokers.get();
        } catch (FeedUnavailableException e) {
            throw failure(e, false);
        } catch (FeedFencedException e) {
            throw failure(e, true);
        }
    }

    private static SinkException failure(Exception cause, boolean isFinal) {
        return new SinkException(String.valueOf(cause.getMessage()), cause, isFinal);
    }

    @Override
    public Position open() {
        Opened opened = reach(() -> topic.open(new FeedPosition(log.logId(), 0, NONE)));
        FeedPosition stored = opened.position();
        Loss loss = opened.loss();
        if (loss != null) {
            again = loss.what() + ": what the log still has after sequence " + stored.sequence() + ", up to "
                    + loss.upTo() + ", is fed once more";
            againUpTo = loss.upTo();
            metrics.lost.add(1);
            LOG.error("{}", again);
        }
        return new Position(log.logId(), stored.sequence(), stored.digest().equals(NONE) ? "" : stored.digest());
    }

    /** Returns what is fed once more, or else why the topics may lose what they commit. */
    @Override
    public Optional<String> problem() {
        return Optional.ofNullable(again).or(topic::weakness);
    }

    @Override
    public void begin(Position stored, @Nullable String problem) {
        if (problem != null) {
            LOG.error(
                    "the log was fed up to sequence {}, but {}, so outcomes are fed once more",
                    stored.sequence(),
                    problem);
        }
    }

    @Override
    public void apply(DecidedPart part) {
        TreeMap<Long, FeedEvent> winners = new TreeMap<>(); // by sequence
        int omitted = 0;
        for (Outcome outcome : part.outcomes()) {
            if (!outcome.isOverruled()) {
                OutcomeEvent event = events.outcome(outcome, topic.maxValueBytes());
                winners.put(outcome.placed().sequence(), event.event());
                omitted += event.isWhole() ? 0 : 1;
            }
        }
        for (PlacedReview each : part.reviews()) {
            winners.put(each.sequence(), events.review(each.reviewed().logged()));
        }
        FeedPosition position =
                new FeedPosition(log.logId(), part.last(), part.digest().isEmpty() ? NONE : part.digest());
        reach(() -> {
            topic.commit(List.copyOf(winners.values()), position);
            return true;
        });
        if (again != null && part.last() >= againUpTo) {
            again = null;
            LOG.info("what was lost is fed again, up to sequence {}", part.last());
        }
        metrics.events.add(winners.size());
        metrics.omitted.add(omitted);
    }

    @Override
    public long rest(long position, boolean isMore, BooleanSupplier mayContinue) {
        return isMore ? 0 : LOOK_EVERY_MILLIS;
    }
}
