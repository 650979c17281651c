// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import java.nio.file.Path;
import java.time.Duration;

/**
 * How a log is kept.
 *
 * @param directory that one process owns
 * @param prefix of the segments' names
 * @param context one line of text that stands for how records are understood (the policy in force); kept in each segment
 * @param holder how this process names itself in the lock
 * @param segmentBytes a segment that reached this size is closed
 * @param segmentAge a segment with records that reached this age is closed
 * @param maxQueuedBytes bytes that may wait for the writer; beyond it {@link Log#append} refuses
 * @param maxGroupBytes bytes that share one force, at least one append
 * @param fillAheadBytes how far ahead a segment is filled with zeros; 0 for not at all
 * @param onDamage what a start does about damage in the newest segment
 */
public record LogOptions(
        Path directory,
        String prefix,
        String context,
        String holder,
        long segmentBytes,
        Duration segmentAge,
        long maxQueuedBytes,
        long maxGroupBytes,
        int fillAheadBytes,
        OnDamage onDamage) {

    private static final long MIB = 1 << 20;

    /** Checks what can't work. */
    public LogOptions {
        if (!prefix.matches("[a-z]+")) {
            throw new IllegalArgumentException("prefix must be lower-case letters, not " + prefix);
        }
        if (context.indexOf('\n') >= 0) {
            throw new IllegalArgumentException("the context must be one line");
        }
        if (segmentBytes <= 0 || maxQueuedBytes <= 0 || maxGroupBytes <= 0 || fillAheadBytes < 0) {
            throw new IllegalArgumentException("sizes must be positive");
        }
    }

    /** Sensible sizes: 64 MiB or a day a segment, 64 MiB queued, groups of 16 MiB, 4 MiB of zeros ahead. */
    public static LogOptions of(Path directory, String prefix, String context) {
        return new LogOptions(
                directory,
                prefix,
                context,
                "process " + ProcessHandle.current().pid(),
                64 * MIB,
                Duration.ofDays(1),
                64 * MIB,
                16 * MIB,
                (int) (4 * MIB),
                OnDamage.STOP);
    }

    /** The same with another way of closing segments. */
    public LogOptions withSegments(long bytes, Duration age) {
        return new LogOptions(
                directory,
                prefix,
                context,
                holder,
                bytes,
                age,
                maxQueuedBytes,
                maxGroupBytes,
                fillAheadBytes,
                onDamage);
    }

    /** The same with other bounds of the queue and of a group. */
    public LogOptions withQueue(long queuedBytes, long groupBytes) {
        return new LogOptions(
                directory,
                prefix,
                context,
                holder,
                segmentBytes,
                segmentAge,
                queuedBytes,
                groupBytes,
                fillAheadBytes,
                onDamage);
    }

    /** The same with another stretch of zeros ahead; 0 for none. */
    public LogOptions withFillAhead(int bytes) {
        return new LogOptions(
                directory,
                prefix,
                context,
                holder,
                segmentBytes,
                segmentAge,
                maxQueuedBytes,
                maxGroupBytes,
                bytes,
                onDamage);
    }

    /** The same, going on behind damage or not. */
    public LogOptions withOnDamage(OnDamage whatToDo) {
        return new LogOptions(
                directory,
                prefix,
                context,
                holder,
                segmentBytes,
                segmentAge,
                maxQueuedBytes,
                maxGroupBytes,
                fillAheadBytes,
                whatToDo);
    }
}
