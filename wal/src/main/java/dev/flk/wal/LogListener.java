// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.files.LockLostException;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A listener for metrics and for steps that follow a group. The writer's thread calls it; its methods must return
 * quickly and must not throw, except {@link #vanished}.
 */
public interface LogListener {
    /** A listener that ignores all events. */
    LogListener NONE = new LogListener() {};

    /** Reports a forced group: its number of records, the segment's length in bytes, and the duration of write and fsync. */
    default void forced(int records, long segmentBytes, long nanos) {}

    /** Reports that a write, an fsync or the opening of a segment failed; the next group goes to another segment. */
    default void failed(IOException cause) {}

    /** Reports that the lock file was removed or replaced: from now on every append fails. Called once. */
    default void lockLost(LockLostException cause) {}

    /** Reports that all appends of a group were completed. */
    default void groupEnded() {}

    /**
     * Reports that the active segment was renamed, moved, removed, replaced or emptied, so that the next start may not
     * find its acknowledged records. The listener must make durable elsewhere whatever was derived from them before it
     * returns. It may block: the log acknowledges nothing and opens no segment until then.
     *
     * @param renamedTo the file in the directory that now contains the segment, as logrotate leaves it; null if it is gone
     * @throws IOException if the listener failed; it is called again before each following group, which fails until the
     *     call succeeds
     */
    default void vanished(String segment, @Nullable String renamedTo) throws IOException {}

    /** Reports that a segment was opened and receives all following groups. */
    default void opened(String segment) {}
}
