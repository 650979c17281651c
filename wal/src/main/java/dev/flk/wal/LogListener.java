// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Hears from the log what metrics and further steps need; called on the writer's thread, must return at once and not throw, but for {@link #vanished}. */
public interface LogListener {
    /** Nobody listens. */
    LogListener NONE = new LogListener() {};

    /** A group was forced: how many records, the segment's length in bytes, and what write and force took in nanoseconds. */
    default void forced(int records, long segmentBytes, long nanos) {}

    /** A write, a force or the opening of a segment failed; the next group goes to another segment. */
    default void failed(IOException cause) {}

    /** All appends of a group were told how they ended. */
    default void groupEnded() {}

    /**
     * Somebody renamed, moved, removed, replaced or emptied the segment that was written to, and perhaps no start will find what was
     * acknowledged in it: what was made of that must be durable elsewhere when this returns. It may take its time. Nothing is
     * acknowledged until then; the next segment is opened after it.
     *
     * @param renamedTo the file in the directory that holds the segment now, as logrotate leaves it; null if there is none
     * @throws IOException if that failed: it is called again before the next group, which fails until it succeeds
     */
    default void vanished(String segment, @Nullable String renamedTo) throws IOException {}

    /** A segment was opened and is used from now on. */
    default void opened(String segment) {}
}
