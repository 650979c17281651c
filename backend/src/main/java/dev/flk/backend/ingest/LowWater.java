// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.util.ArrayDeque;
import java.util.OptionalLong;

/**
 * The low-water mark: everything in the log up to it is decided and recorded. With several groups under way it is the end of what
 * precedes the oldest unfinished one, never what the writer or the last finished group happens to have reached; while the log is
 * asserted again it is no further than that has come. Safe for any thread; {@link #opened} is called in the order of the log.
 */
final class LowWater {
    private final ArrayDeque<Group> open = new ArrayDeque<>();
    private long finishedUpTo;

    /** Up to where the store has what it once had; more than any sequence unless it lost something. */
    private long assertedUpTo = Long.MAX_VALUE;

    private long pending;

    /** Submissions that went into the log together. */
    static final class Group {
        private final long last;
        private final long arrivalMillis;
        private int unfinished;

        private Group(long last, long arrivalMillis, int unfinished) {
            this.last = last;
            this.arrivalMillis = arrivalMillis;
            this.unfinished = unfinished;
        }
    }

    /** Everything up to {@code mark} is finished. */
    LowWater(long mark) {
        this.finishedUpTo = mark;
    }

    /**
     * Records up to sequence {@code last} are on disk.
     *
     * @param arrivalMillis of the oldest of them
     * @param submissions how many of them must be decided; 0 for records of other kinds
     */
    synchronized Group opened(long last, long arrivalMillis, int submissions) {
        Group group = new Group(last, arrivalMillis, submissions);
        open.addLast(group);
        pending += submissions;
        advance();
        return group;
    }

    /** One submission of the group is decided and recorded. */
    synchronized void finished(Group group) {
        finished(group, 1);
    }

    /** All of the group are. */
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

    /** The store lacks what is behind this, or has it now up to this. */
    synchronized void assertedUpTo(long sequence) {
        assertedUpTo = sequence;
    }

    /** The store has all that it once had. */
    synchronized void allAsserted() {
        assertedUpTo = Long.MAX_VALUE;
    }

    synchronized long mark() {
        return Math.min(finishedUpTo, assertedUpTo);
    }

    /** How many submissions are in the log and not finished. */
    synchronized long pending() {
        return pending;
    }

    /** When the oldest unfinished one arrived, milliseconds since the epoch; empty if there is none. */
    synchronized OptionalLong oldestArrivalMillis() {
        return open.isEmpty() ? OptionalLong.empty() : OptionalLong.of(open.getFirst().arrivalMillis);
    }
}
