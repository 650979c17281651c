// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.util.ArrayDeque;
import java.util.OptionalLong;

/**
 * The low-water mark: everything in the log up to it is decided and recorded. With several groups under way it is the end of what
 * precedes the oldest unfinished one, never what the writer or the last finished group happens to have reached. Safe for any
 * thread; {@link #opened} is called in the order of the log.
 */
final class LowWater {
    private final ArrayDeque<Group> open = new ArrayDeque<>();
    private long mark;
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
        this.mark = mark;
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
        group.unfinished--;
        pending--;
        advance();
    }

    private void advance() {
        while (!open.isEmpty() && open.getFirst().unfinished == 0) {
            mark = open.removeFirst().last;
        }
    }

    synchronized long mark() {
        return mark;
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
