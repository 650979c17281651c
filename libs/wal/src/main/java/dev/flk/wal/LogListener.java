// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.files.LockLostException;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A listener for metrics and for work that follows a group. It is called on the writer's thread, or on the thread that
 * opens or closes the log. Its methods must return quickly and must not throw; only {@link #vanished} may block or
 * throw.
 */
public interface LogListener {
    /** A listener that ignores all events. */
    LogListener NONE = new LogListener() {};

    /**
     * Reports a forced group: its number of records, the length of the segment in bytes without the zeros written
     * ahead, and the duration of write and fsync in nanoseconds.
     */
    default void forced(int records, long segmentBytes, long nanos) {}

    /** Reports that a write, an fsync or the opening of a segment failed; the next group goes to another segment. */
    default void failed(IOException cause) {}

    /** Reports that the lock file was removed or replaced: from now on every append fails. Called once. */
    default void lockLost(LockLostException cause) {}

    /** Reports that all appends of a group were completed, whether they were forced or failed. */
    default void groupEnded() {}

    /**
     * Reports that the active segment was renamed, moved, removed, replaced or emptied, so that the next start may not
     * find its acknowledged records. Before this method returns, it must make everything that was derived from these
     * records durable elsewhere. The method may block: until it returns, the log acknowledges nothing and opens no
     * segment.
     *
     * @param renamedTo the name of the file in the directory that now contains the segment, for example after a rename
     *     by logrotate; null if no such file is known
     * @throws IOException if the listener failed; the log calls this method again at each attempt to open a segment,
     *     and the groups fail until a call succeeds
     */
    default void vanished(String segment, @Nullable String renamedTo) throws IOException {}

    /** Reports that a segment was opened and receives all following groups. */
    default void opened(String segment) {}
}
