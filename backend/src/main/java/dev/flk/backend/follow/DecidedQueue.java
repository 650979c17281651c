// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.follow;

import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.follow.DecidedPart.Outcome;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The decided submissions that the pipeline hands to the followers of its log, so that they need not read and decide them
 * again. A submission stays until each follower has it. While the queue is full, those that one follower has make room;
 * without any of these, new submissions are left out. A follower reads submissions from the log that it does not find
 * here, and leaves the part that it has read last to the others.
 *
 * <p>Safe for any thread. The lock is held neither while the log is read, nor while outcomes are made, so that handing
 * over never waits for a follower.
 */
public final class DecidedQueue implements Consumer<List<DecidedSubmission>> {
    private static final int MOST = 20_000;
    private static final long MOST_BYTES = 32 << 20;

    // guarded by this
    private final ArrayDeque<Handed> queue = new ArrayDeque<>();
    /** The sequence up to which each follower has everything. */
    private final Map<Object, Long> positions = new HashMap<>();

    private long bytes;
    private long newest;
    private @Nullable DecidedPart lastRead;
    /** The sequence up to which the log was decided when {@link #lastRead} was read. */
    private long lastReadUpTo;

    /** A submission that was handed over. The first follower that takes it makes its outcome. */
    static final class Handed {
        private final DecidedSubmission submission;
        private @Nullable Outcome outcome; // guarded by this

        private Handed(DecidedSubmission submission) {
            this.submission = submission;
        }

        DecidedSubmission submission() {
            return submission;
        }

        private long sequence() {
            return submission.sequence();
        }

        synchronized Outcome outcome() {
            Outcome made = outcome == null ? Outcome.of(submission) : outcome;
            outcome = made;
            return made;
        }
    }

    /** Adds submissions in the order of the log. */
    @Override
    public synchronized void accept(List<DecidedSubmission> decided) {
        long taken = positions.isEmpty() ? 0 : Collections.max(positions.values());
        for (DecidedSubmission each : decided) {
            while (isFull(each) && !queue.isEmpty() && queue.element().sequence() <= taken) {
                removeFirst();
            }
            if (!isFull(each) && each.sequence() > newest) {
                queue.addLast(new Handed(each));
                bytes += each.body().length;
                newest = each.sequence();
            }
        }
    }

    private boolean isFull(DecidedSubmission next) {
        return queue.size() == MOST || bytes + next.body().length > MOST_BYTES;
    }

    private void removeFirst() {
        bytes -= queue.remove().submission.body().length;
    }

    /**
     * Returns the submissions that follow the position of a follower without a gap, at most {@code most}, and about
     * {@code mostBytes}.
     */
    synchronized List<Handed> after(Object follower, long position, int most, long mostBytes) {
        positions.put(follower, position);
        long doneByAll = Collections.min(positions.values());
        while (!queue.isEmpty() && queue.element().sequence() <= doneByAll) {
            removeFirst();
        }
        if (lastRead != null && lastRead.last() <= doneByAll) {
            lastRead = null;
        }
        List<Handed> next = new ArrayList<>();
        long last = position;
        long size = 0;
        for (Handed each : queue) {
            if (each.sequence() <= position) {
                continue;
            }
            if (next.size() == most || size >= mostBytes || isGapBefore(each, last)) {
                break;
            }
            next.add(each);
            last = each.sequence();
            size += each.submission.body().length;
        }
        return next;
    }

    private static boolean isGapBefore(Handed next, long last) {
        return next.sequence() > last + 1;
    }

    /** Keeps nothing for a follower any more. */
    synchronized void ended(Object follower) {
        positions.remove(follower);
    }

    /** Returns the sequence of the first submission in the queue after a position. */
    synchronized OptionalLong firstAfter(long position) {
        return queue.stream()
                .mapToLong(Handed::sequence)
                .filter(sequence -> sequence > position)
                .findFirst();
    }

    /** Leaves a part of the log for the other followers. */
    synchronized void leave(DecidedPart read, long decidedUpTo) {
        lastRead = positions.size() > 1 ? read : null;
        lastReadUpTo = decidedUpTo;
    }

    /**
     * Returns the part after a position, if a follower has left it. After the store was lost, less of the log is decided,
     * and submissions in the part may be overruled, so it is read again.
     */
    synchronized Optional<DecidedPart> left(long position, long decidedUpTo) {
        if (decidedUpTo < lastReadUpTo) {
            lastRead = null;
        }
        return Optional.ofNullable(lastRead).filter(part -> part.after() == position);
    }
}
