// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.io.IOException;

/** Hears from the log what metrics and further steps need; called on the writer's thread, must return at once and not throw. */
public interface LogListener {
    /** Nobody listens. */
    LogListener NONE = new LogListener() {};

    /** A group was forced: how many records, the segment's length in bytes, and what write and force took in nanoseconds. */
    default void forced(int records, long segmentBytes, long nanos) {}

    /** A write, a force or the opening of a segment failed; the next group goes to another segment. */
    default void failed(IOException cause) {}

    /** All appends of a group were told how they ended. */
    default void groupEnded() {}

    /** A segment was opened and is used from now on. */
    default void opened(String segment) {}
}
