// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Damage.OnDamage;
import java.nio.file.Path;
import java.time.Duration;

/**
 * How a log is kept.
 *
 * @param directory that one process owns
 * @param prefix of the segments' names
 * @param context one line of text that stands for how records are understood (the policy in force); kept in each segment
 * @param holder how this process names itself in the lock
 * @param onDamage what a start does about damage in the newest segment
 */
public record LogOptions(
        Path directory, String prefix, String context, String holder, LogSizes sizes, OnDamage onDamage) {

    /** Checks what can't work. */
    public LogOptions {
        if (!prefix.matches("[a-z]+")) {
            throw new IllegalArgumentException("prefix must be lower-case letters, not " + prefix);
        }
        if (context.indexOf('\n') >= 0) {
            throw new IllegalArgumentException("the context must be one line");
        }
    }

    /** The usual sizes; a start stops at damage. */
    public static LogOptions of(Path directory, String prefix, String context) {
        return new LogOptions(
                directory,
                prefix,
                context,
                "process " + ProcessHandle.current().pid(),
                LogSizes.usual(),
                OnDamage.STOP);
    }

    /** The same with other sizes. */
    public LogOptions with(LogSizes otherSizes) {
        return new LogOptions(directory, prefix, context, holder, otherSizes, onDamage);
    }

    /** The same, going on behind damage or not. */
    public LogOptions with(OnDamage whatToDo) {
        return new LogOptions(directory, prefix, context, holder, sizes, whatToDo);
    }

    /**
     * The sizes of a log.
     *
     * @param segmentBytes a segment that reached this size is closed
     * @param segmentAge a segment with records that reached this age is closed
     * @param maxQueuedBytes bytes that may wait for the writer; beyond it {@link Log#append} refuses
     * @param maxGroupBytes bytes that share one force, at least one append
     * @param fillAheadBytes how far ahead a segment is filled with zeros; 0 for not at all
     * @param keepFreeBytes zeros are written ahead only while this much stays free on the disk
     */
    public record LogSizes(
            long segmentBytes,
            Duration segmentAge,
            long maxQueuedBytes,
            long maxGroupBytes,
            int fillAheadBytes,
            long keepFreeBytes) {

        private static final int MIB = 1 << 20;

        /** Checks what can't work. */
        public LogSizes {
            if (segmentBytes <= 0
                    || maxQueuedBytes <= 0
                    || maxGroupBytes <= 0
                    || fillAheadBytes < 0
                    || keepFreeBytes < 0) {
                throw new IllegalArgumentException("sizes must not be negative");
            }
            if (maxGroupBytes > RecordFormat.MAX_GROUP_BYTES) {
                throw new IllegalArgumentException(
                        "at most " + RecordFormat.MAX_GROUP_BYTES + " bytes can share a force");
            }
        }

        /** 64 MiB or a day a segment, 64 MiB queued, groups of 16 MiB, 4 MiB of zeros ahead. */
        public static LogSizes usual() {
            return new LogSizes(64L * MIB, Duration.ofDays(1), 64L * MIB, 16L * MIB, 4 * MIB, 0);
        }

        /** The same with another way of closing segments. */
        public LogSizes withSegments(long bytes, Duration age) {
            return new LogSizes(bytes, age, maxQueuedBytes, maxGroupBytes, fillAheadBytes, keepFreeBytes);
        }

        /** The same with other bounds of the queue and of a group. */
        public LogSizes withQueue(long queuedBytes, long groupBytes) {
            return new LogSizes(segmentBytes, segmentAge, queuedBytes, groupBytes, fillAheadBytes, keepFreeBytes);
        }

        /** The same with another stretch of zeros ahead; 0 for none. */
        public LogSizes withFillAhead(int bytes) {
            return new LogSizes(segmentBytes, segmentAge, maxQueuedBytes, maxGroupBytes, bytes, keepFreeBytes);
        }

        /** The same, keeping more of the disk free from zeros. */
        public LogSizes withKeepFree(long bytes) {
            return new LogSizes(segmentBytes, segmentAge, maxQueuedBytes, maxGroupBytes, fillAheadBytes, bytes);
        }
    }
}
