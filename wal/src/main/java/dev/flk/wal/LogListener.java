// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Events for metrics and further steps. Called on the writer's thread; must return at once and not throw, except {@link #vanished}. */
public interface LogListener {
    /** Ignores all events. */
    LogListener NONE = new LogListener() {};

    /** A group was forced: how many records, the segment's length in bytes, and what write and force took in nanoseconds. */
    default void forced(int records, long segmentBytes, long nanos) {}

    /** A write, a force or the opening of a segment failed; the next group goes to another segment. */
    default void failed(IOException cause) {}

    /** The lock file was removed or replaced: the log is given up, and everything that is appended fails. Called once. */
    default void lockLost(LockLostException cause) {}

    /** All appends of a group were completed. */
    default void groupEnded() {}

    /**
     * The active segment was renamed, moved, removed, replaced or emptied, and a start may not find its acknowledged records: what was
     * derived from them must be durable elsewhere when this returns. It may take its time: nothing is acknowledged and no segment is
     * opened before.
     *
     * @param renamedTo the file in the directory that holds the segment now, as logrotate leaves it; null if there is none
     * @throws IOException if that failed: it is called again before the next group, which fails until it succeeds
     */
    default void vanished(String segment, @Nullable String renamedTo) throws IOException {}

    /** A segment was opened and is used from now on. */
    default void opened(String segment) {}
}
