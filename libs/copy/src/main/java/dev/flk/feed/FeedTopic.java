// SPDX-License-Identifier: Apache-2.0
package dev.flk.feed;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A topic of events, which several logs may share. The position of a log is committed in the same transaction as its
 * events, so a consumer that reads only what was committed sees each event once per log. One process writes the events
 * of a log: among those with a claim of the log, the one with the latest claim; otherwise the one that opened the topic
 * last. One thread; an interrupt ends a call that blocks.
 */
public interface FeedTopic extends AutoCloseable {
    /**
     * The place at which a feed begins.
     *
     * @param position the position that was committed last; after a loss, the last one whose events the topic still has
     * @param loss what the topic lacks of what it had committed; null if it has everything
     */
    record Opened(FeedPosition position, @Nullable Loss loss) {}

    /**
     * Committed events that the topic no longer has, or of which it no longer has the position.
     *
     * @param what a sentence
     * @param upTo the sequence up to which events were committed
     */
    record Loss(String what, long upTo) {}

    /**
     * Makes this process the only writer of the log's events: ends the transactions of earlier writers, which fail from
     * now on. Returns the position that was committed last, or, if the topic has lost committed events, an earlier one.
     * Blocks for a bounded time, about two minutes.
     *
     * @param start the position if none was committed
     * @throws FeedUnavailableException if that is not possible now; a later call may succeed
     * @throws FeedFencedException if another process has opened the topic for this log after this one had, or has a later
     *     claim of the log
     */
    Opened open(FeedPosition start);

    /**
     * Checks now and then, at each call after some seconds, that the topic still has what was committed.
     *
     * @throws FeedUnavailableException if it does not; {@link #open} finds out what is missing
     */
    void check();

    /** Returns why the topic may lose what it commits, and the remedy; empty if it keeps it. Any thread. */
    Optional<String> weakness();

    /**
     * Commits events, in order, and the position after them in one transaction. Blocks for a bounded time, about a
     * minute. After a failure it is not known whether they were committed, and {@link #open} must be called again.
     *
     * @param events the events; may be empty
     * @throws FeedUnavailableException if they may not have been committed
     * @throws FeedFencedException if they were not committed, because another process writes the events of this log
     * @throws IllegalArgumentException if a value has more than {@link #maxValueBytes} bytes
     * @throws IllegalStateException if the topic is not open
     */
    void commit(List<FeedEvent> events, FeedPosition position);

    /**
     * Returns the largest number of bytes that the value of an event may have. Each {@link #open} may change it.
     *
     * @throws IllegalStateException if the topic was never opened
     */
    int maxValueBytes();

    /** Returns a message about the topic, which names the brokers and the topic. */
    String message(String what);

    /** Releases the connections. The topic may be opened again. */
    @Override
    void close();
}
