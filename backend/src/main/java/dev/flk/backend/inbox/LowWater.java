// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import java.util.ArrayDeque;
import java.util.OptionalLong;

/**
 * The low-water mark: the sequence up to which every record in the log is finished. A submission is finished once it is
 * decided and recorded; another record is finished once the work that follows its append is done. The mark is the last
 * record before the oldest unfinished group, even if later groups are already finished. While a store is catching up
 * with the log, the mark does not exceed the record up to which the store has caught up. Safe for any thread; {@link
 * #opened} is called in log order.
 */
public final class LowWater {
    private final ArrayDeque<Group> open = new ArrayDeque<>();
    private long finishedUpTo;

    /**
     * The sequence up to which a store that is catching up contains every outcome; {@code Long.MAX_VALUE} once it has
     * caught up.
     */
    private long assertedUpTo = Long.MAX_VALUE;

    private long pending;

    /** Records that were logged together, with the number of unfinished records. */
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
     * Adds a group of records that are on disk.
     *
     * @param last the sequence of the last record of the group
     * @param arrivalMillis the arrival time of the oldest record, in milliseconds since the epoch
     * @param submissions the number of records that must be finished; 0 if there is nothing to finish
     */
    synchronized Group opened(long last, long arrivalMillis, int submissions) {
        Group group = new Group(last, arrivalMillis, submissions);
        open.addLast(group);
        pending += submissions;
        advance();
        return group;
    }

    /** Notes that one more record of the group is finished. */
    public synchronized void finished(Group group) {
        finished(group, 1);
    }

    /** Notes that all records of the group are finished. */
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

    /** Notes that the store has every outcome up to this sequence, and may lack any outcome after it. */
    public synchronized void assertedUpTo(long sequence) {
        assertedUpTo = sequence;
    }

    /** Notes that the store has caught up with the log. */
    public synchronized void allAsserted() {
        assertedUpTo = Long.MAX_VALUE;
    }

    public synchronized long mark() {
        return Math.min(finishedUpTo, assertedUpTo);
    }

    /** Returns the number of records in the log that are not finished. */
    public synchronized long pending() {
        return pending;
    }

    /**
     * Returns the arrival time of the oldest group that has an unfinished record, in milliseconds since the epoch;
     * empty if all records are finished.
     */
    public synchronized OptionalLong oldestArrivalMillis() {
        return open.isEmpty() ? OptionalLong.empty() : OptionalLong.of(open.getFirst().arrivalMillis);
    }
}
