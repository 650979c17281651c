// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import java.util.ArrayDeque;
import java.util.OptionalLong;

/**
 * The low-water mark: everything in the log up to it is decided and recorded. With several groups in flight, the mark
 * is the last record before the oldest unfinished group, not the position of the writer or of the group that finished
 * last. While the log is asserted again, the mark does not exceed the asserted position. Safe for any thread;
 * {@link #opened} is called in log order.
 */
public final class LowWater {
    private final ArrayDeque<Group> open = new ArrayDeque<>();
    private long finishedUpTo;

    /**
     * The sequence up to which the store contains everything it once had; {@code Long.MAX_VALUE} unless it lost
     * something.
     */
    private long assertedUpTo = Long.MAX_VALUE;

    private long pending;

    /** Submissions that were logged together. */
    public static final class Group {
        private final long last;
        private final long arrivalMillis;
        private int unfinished;

        private Group(long last, long arrivalMillis, int unfinished) {
            this.last = last;
            this.arrivalMillis = arrivalMillis;
            this.unfinished = unfinished;
        }
    }

    /** Creates a mark at {@code mark}; everything up to it is finished. */
    LowWater(long mark) {
        this.finishedUpTo = mark;
    }

    /**
     * Adds a group: the records up to sequence {@code last} are on disk.
     *
     * @param arrivalMillis the arrival time of the oldest record
     * @param submissions the number of records that must be finished; 0 if there is nothing to finish
     */
    synchronized Group opened(long last, long arrivalMillis, int submissions) {
        Group group = new Group(last, arrivalMillis, submissions);
        open.addLast(group);
        pending += submissions;
        advance();
        return group;
    }

    /** Notes that one submission of the group is decided and recorded. */
    public synchronized void finished(Group group) {
        finished(group, 1);
    }

    /** Notes that all submissions of the group are decided and recorded. */
    synchronized void finishedAll(Group group) {
        finished(group, group.unfinished);
    }

    private void finished(Group group, int submissions) {
        group.unfinished -= submissions;
        pending -= submissions;
        advance();
    }

    private void advance() {
        while (!open.isEmpty() && open.getFirst().unfinished == 0) {
            finishedUpTo = open.removeFirst().last;
        }
    }

    /** Notes that the store may lack everything after this sequence. */
    public synchronized void assertedUpTo(long sequence) {
        assertedUpTo = sequence;
    }

    /** Notes that the store contains everything it once had. */
    public synchronized void allAsserted() {
        assertedUpTo = Long.MAX_VALUE;
    }

    public synchronized long mark() {
        return Math.min(finishedUpTo, assertedUpTo);
    }

    /** Returns the number of submissions in the log that are not finished. */
    public synchronized long pending() {
        return pending;
    }

    /**
     * Returns the arrival time of the oldest unfinished submission, in milliseconds since the epoch; empty if there is
     * none.
     */
    public synchronized OptionalLong oldestArrivalMillis() {
        return open.isEmpty() ? OptionalLong.empty() : OptionalLong.of(open.getFirst().arrivalMillis);
    }
}
