// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.RecordFormat;
import java.nio.file.Path;
import java.time.Duration;

/**
 * The options of a log.
 *
 * @param directory the directory of the log; one process owns it
 * @param prefix the prefix of the segments' names
 * @param context one line of text that is stored in each segment and returned with the records that were appended to
 *     the segment, such as the policy in force
 * @param holder the name of this process in the lock file
 * @param onDamage what to do about damage in the newest segment at a start
 */
public record LogOptions(
        Path directory, String prefix, String context, String holder, LogSizes sizes, OnDamage onDamage) {

    /** Validates the options. */
    public LogOptions {
        if (!prefix.matches("[a-z]+")) {
            throw new IllegalArgumentException("prefix must be lower-case letters, not " + prefix);
        }
        if (context.indexOf('\n') >= 0) {
            throw new IllegalArgumentException("the context must be one line");
        }
    }

    /** Returns options with the usual sizes; a start stops at damage. */
    public static LogOptions of(Path directory, String prefix, String context) {
        return new LogOptions(
                directory,
                prefix,
                context,
                "process " + ProcessHandle.current().pid(),
                LogSizes.usual(),
                OnDamage.STOP);
    }

    /** Returns a copy with other sizes. */
    public LogOptions with(LogSizes otherSizes) {
        return new LogOptions(directory, prefix, context, holder, otherSizes, onDamage);
    }

    /** Returns a copy that stops at damage or skips it. */
    public LogOptions with(OnDamage whatToDo) {
        return new LogOptions(directory, prefix, context, holder, sizes, whatToDo);
    }

    /**
     * The sizes of a log.
     *
     * @param segmentBytes the size at which a segment is closed
     * @param segmentAge the age from which on the next append closes a segment with records
     * @param maxQueuedBytes the maximum number of bytes that wait for the writer, unless a single append has more;
     *     {@link Log#append} returns false for an append that would exceed it
     * @param maxGroupBytes the maximum number of bytes that share one fsync, unless a single append has more
     * @param fillAheadBytes how many zeros to write ahead of the records; 0 disables filling
     * @param keepFreeBytes the free disk space, in bytes, that must remain when zeros are written ahead
     */
    public record LogSizes(
            long segmentBytes,
            Duration segmentAge,
            long maxQueuedBytes,
            long maxGroupBytes,
            int fillAheadBytes,
            long keepFreeBytes) {

        private static final int MIB = 1 << 20;

        /** Validates the sizes. */
        public LogSizes {
            if (segmentBytes <= 0
                    || maxQueuedBytes <= 0
                    || maxGroupBytes <= 0
                    || fillAheadBytes < 0
                    || keepFreeBytes < 0) {
                throw new IllegalArgumentException(
                        "a size is negative or 0; only fillAheadBytes and keepFreeBytes may be 0");
            }
            if (maxGroupBytes > RecordFormat.MAX_GROUP_BYTES) {
                throw new IllegalArgumentException("maxGroupBytes must be at most " + RecordFormat.MAX_GROUP_BYTES);
            }
        }

        /**
         * Returns the usual sizes: segments of 64 MiB or one day, a queue of 64 MiB, groups of 16 MiB, and 4 MiB of
         * zeros ahead.
         */
        public static LogSizes usual() {
            return new LogSizes(64L * MIB, Duration.ofDays(1), 64L * MIB, 16L * MIB, 4 * MIB, 0);
        }

        /** Returns a copy with another size and age of segments. */
        public LogSizes withSegments(long bytes, Duration age) {
            return new LogSizes(bytes, age, maxQueuedBytes, maxGroupBytes, fillAheadBytes, keepFreeBytes);
        }

        /** Returns a copy with other bounds of the queue and of a group. */
        public LogSizes withQueue(long queuedBytes, long groupBytes) {
            return new LogSizes(segmentBytes, segmentAge, queuedBytes, groupBytes, fillAheadBytes, keepFreeBytes);
        }

        /** Returns a copy with another number of zeros that are written ahead; 0 disables filling. */
        public LogSizes withFillAhead(int bytes) {
            return new LogSizes(segmentBytes, segmentAge, maxQueuedBytes, maxGroupBytes, bytes, keepFreeBytes);
        }

        /** Returns a copy with another minimum of free disk space; no zeros are written ahead if less would remain. */
        public LogSizes withKeepFree(long bytes) {
            return new LogSizes(segmentBytes, segmentAge, maxQueuedBytes, maxGroupBytes, fillAheadBytes, bytes);
        }
    }
}
