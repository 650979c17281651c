// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.DecidedSubmission;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Consumer;

/**
 * The decided submissions that the pipeline hands to {@link RecordFollower}, so that it need not read and decide them
 * again. Bounded: while the queue is full, submissions are left out, and the follower reads them from the log. Safe for
 * any thread; never blocks.
 */
public final class DecidedQueue implements Consumer<List<DecidedSubmission>> {
    private static final int MOST = 10_000;
    private static final long MOST_BYTES = 8 << 20;

    // guarded by this
    private final ArrayDeque<DecidedSubmission> queue = new ArrayDeque<>();
    private long bytes;
    private long newest;

    /** Adds submissions in the order of the log. */
    @Override
    public synchronized void accept(List<DecidedSubmission> decided) {
        for (DecidedSubmission each : decided) {
            if (queue.size() < MOST && bytes + each.body().length <= MOST_BYTES && each.sequence() > newest) {
                queue.addLast(each);
                bytes += each.body().length;
                newest = each.sequence();
            }
        }
    }

    /**
     * Removes and returns the submissions that follow sequence {@code after} without a gap, at most {@code most}. Also
     * removes those up to {@code after}.
     */
    synchronized List<DecidedSubmission> takeAfter(long after, int most) {
        List<DecidedSubmission> taken = new ArrayList<>();
        long last = after;
        while (!queue.isEmpty() && taken.size() < most && !isGapBefore(queue.element(), last)) {
            DecidedSubmission first = queue.remove();
            bytes -= first.body().length;
            if (first.sequence() > last) {
                taken.add(first);
                last = first.sequence();
            }
        }
        return taken;
    }

    private static boolean isGapBefore(DecidedSubmission next, long last) {
        return next.sequence() > last + 1;
    }

    /** Returns the sequence of the first submission in the queue. */
    synchronized OptionalLong first() {
        return queue.isEmpty()
                ? OptionalLong.empty()
                : OptionalLong.of(queue.element().sequence());
    }
}
