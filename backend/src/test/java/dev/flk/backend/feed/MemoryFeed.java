// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.feed;

import dev.flk.feed.FeedEvent;
import dev.flk.feed.FeedFencedException;
import dev.flk.feed.FeedPosition;
import dev.flk.feed.FeedTopic;
import dev.flk.feed.FeedUnavailableException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A topic in memory that can fail. Safe for any thread. */
public final class MemoryFeed implements FeedTopic {
    private final List<FeedEvent> events = new ArrayList<>();
    private @Nullable FeedPosition position;
    private int maxValueBytes = 1 << 20;
    private boolean isDown;
    private boolean isFenced;
    private int failEach;
    private int commits;
    private @Nullable FeedPosition lostAfter;
    private long lostUpTo;
    private @Nullable String weakness;

    /** Returns the events that were committed. */
    public synchronized List<FeedEvent> events() {
        return List.copyOf(events);
    }

    /** Returns the headers with a name, in the order of the events. */
    public synchronized List<String> headers(String name) {
        return events.stream()
                .map(event -> event.headers().getOrDefault(name, ""))
                .toList();
    }

    /** Returns the values in the order of the events. */
    public synchronized List<String> values() {
        return events.stream()
                .map(event -> new String(event.value(), StandardCharsets.UTF_8))
                .toList();
    }

    public synchronized void setDown(boolean isDown) {
        this.isDown = isDown;
    }

    public synchronized void fence() {
        isFenced = true;
    }

    public synchronized FeedPosition position() {
        return Objects.requireNonNull(position);
    }

    /** Sets of how many commits one fails: by turns before and after it has taken effect. */
    public synchronized void failOneOf(int commits) {
        failEach = commits;
    }

    /** Loses the events after a position; the topic goes back to it when it is opened again. */
    public synchronized void loseAfter(FeedPosition position, long upTo) {
        lostAfter = position;
        lostUpTo = upTo;
    }

    public synchronized void setWeakness(@Nullable String why) {
        weakness = why;
    }

    public synchronized void setMaxValueBytes(int bytes) {
        maxValueBytes = bytes;
    }

    private void requireUp() {
        if (isFenced) {
            throw new FeedFencedException("instance 2 on elsewhere");
        }
        if (isDown) {
            throw new FeedUnavailableException("no broker answers");
        }
    }

    @Override
    public synchronized Opened open(FeedPosition start) {
        requireUp();
        FeedPosition found = position == null ? start : position;
        FeedPosition earlier = lostAfter;
        if (earlier == null) {
            return new Opened(found, null);
        }
        lostAfter = null;
        position = earlier;
        return new Opened(earlier, new Loss("the topic has lost events", lostUpTo));
    }

    @Override
    public synchronized void check() {
        if (lostAfter != null) {
            throw new FeedUnavailableException("the topic has lost events");
        }
    }

    @Override
    public synchronized Optional<String> weakness() {
        return Optional.ofNullable(weakness);
    }

    @Override
    public synchronized void commit(List<FeedEvent> added, FeedPosition after) {
        requireUp();
        commits++;
        boolean fails = failEach > 0 && commits % failEach == 0;
        if (!fails || commits / failEach % 2 == 0) {
            events.addAll(added);
            position = after;
        }
        if (fails) {
            throw new FeedUnavailableException("the answer was lost");
        }
    }

    @Override
    public synchronized int maxValueBytes() {
        return maxValueBytes;
    }

    @Override
    public String message(String what) {
        return what;
    }

    @Override
    public void close() {}
}
