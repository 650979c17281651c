// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.feed;

import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.feed.FeedEvents.OutcomeEvent;
import dev.flk.backend.follow.DecidedPart.Outcome;
import dev.flk.copy.kafka.KafkaEvents;
import dev.flk.feed.FeedEvent;
import dev.flk.feed.FeedUnavailableException;
import dev.flk.wal.LogInspector;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Writes outcomes and reviews in a log to a topic, as the feed does, but without a position. One thread. */
public final class FeedReplay {
    private static final int EVENTS_AT_ONCE = 500;
    private static final long BYTES_AT_ONCE = 4 << 20;

    private final FeedConfig target;
    private final FeedEvents events;
    private final LoggedOutcomes outcomes = new LoggedOutcomes();
    private final List<FeedEvent> collected = new ArrayList<>();
    private long bytes;
    private long written;
    private long omitted;
    private long last;

    /** @param logId the id of the log, 32 hex digits */
    public FeedReplay(FeedConfig target, String logId) {
        this.target = target;
        this.events = new FeedEvents(logId);
    }

    /**
     * The result of a replay.
     *
     * @param events the number of events
     * @param bodiesOmitted how many of them have no certificate, because it is too large for the topic
     * @param lastSequence the sequence of the last one; 0 without events
     * @param damages the damage in the log
     */
    public record Replayed(long events, long bodiesOmitted, long lastSequence, List<Damage> damages) {
        public Replayed {
            damages = List.copyOf(damages);
        }
    }

    /**
     * Writes the outcomes and reviews of a range of the log, both ends inclusive. A record that overrules or voids
     * another one comes after it, so the log is read twice.
     *
     * @throws IOException if the log can't be read or decided, or the topic can't be written; some events may have been written
     */
    public Replayed run(LogInspector log, long from, long to) throws IOException {
        try (KafkaEvents topic = target.openWithoutPosition()) {
            try (LogWalk walk = log.walk(from)) {
                for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                    outcomes.note(record);
                }
            }
            try (LogWalk walk = log.walk(from)) {
                for (LogRecord record = walk.next(); record != null && record.sequence() <= to; record = walk.next()) {
                    Optional<LoggedReview> review = outcomes.review(record);
                    if (review.isPresent()) {
                        add(record, new OutcomeEvent(events.review(review.get()), true), topic);
                    } else if (LoggedOutcomes.isSubmission(record) && !outcomes.isOverruled(record)) {
                        add(record, event(record, topic), topic);
                    }
                }
                send(topic);
                return new Replayed(written, omitted, last, walk.damages());
            }
        } catch (FeedUnavailableException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private OutcomeEvent event(LogRecord submission, KafkaEvents topic) throws IOException {
        return events.outcome(
                Outcome.of(submission.sequence(), submission, outcomes.compare(submission, null)),
                topic.maxValueBytes());
    }

    private void add(LogRecord record, OutcomeEvent event, KafkaEvents topic) {
        collected.add(event.event());
        bytes += event.event().value().length;
        omitted += event.isWhole() ? 0 : 1;
        last = record.sequence();
        if (collected.size() == EVENTS_AT_ONCE || bytes >= BYTES_AT_ONCE) {
            send(topic);
        }
    }

    private void send(KafkaEvents topic) {
        topic.send(collected);
        written += collected.size();
        collected.clear();
        bytes = 0;
    }
}
