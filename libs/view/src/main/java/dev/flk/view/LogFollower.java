// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A reader that follows a log while it is written, from one record to the next. The owner of the log may append, rename,
 * compress and remove segments meanwhile. Not for several threads. After an IOException, the next call reads again.
 */
public final class LogFollower implements AutoCloseable {
    private final Source source;
    private @Nullable LogWalk walk;
    private String walkedSegment = "";
    private long walkedTo;
    /** A record that was read but lies after the bound of the call. */
    private @Nullable LogRecord ahead;

    /** The log that is followed. Safe for any thread. */
    public interface Source {
        /**
         * Returns the id of the newest segment. When it changes, a reader must begin a new walk (see {@code
         * Log#newestSegment}).
         */
        String newestSegment();

        /**
         * Returns a walk over the records from sequence {@code from}, or from the oldest existing record if that is
         * later. The caller closes the walk.
         */
        LogWalk walk(long from);
    }

    public LogFollower(Source source) {
        this.source = source;
    }

    /**
     * Returns the first record after sequence {@code after} and not after {@code upTo}. Records up to {@code upTo} must
     * be on disk; they may be missing from the log.
     *
     * @return null if the log has no such record
     */
    public @Nullable LogRecord next(long after, long upTo) throws IOException {
        String newest = source.newestSegment(); // the segments that exist now contain all records up to upTo
        if (walkedTo != after || !newest.equals(walkedSegment)) {
            close();
        }
        boolean isNew = walk == null;
        LogRecord record = read(after, newest);
        if ((record == null || record.sequence() > upTo) && !isNew) {
            close(); // a walk that was opened earlier may lack records that were appended since
            record = read(after, newest);
        }
        if (record == null) {
            close();
        } else if (record.sequence() > upTo) {
            ahead = record;
            return null;
        } else {
            walkedTo = record.sequence();
        }
        return record;
    }

    private @Nullable LogRecord read(long after, String newest) throws IOException {
        LogRecord read = ahead;
        ahead = null;
        if (read != null) {
            return read;
        }
        LogWalk open = walk;
        if (open == null) {
            open = source.walk(after + 1);
            walk = open;
            walkedSegment = newest;
            walkedTo = after;
        }
        return open.next();
    }

    /** Returns the record with this sequence; null if the log has no such record. */
    public @Nullable LogRecord at(long sequence) throws IOException {
        try (LogWalk from = source.walk(sequence)) {
            LogRecord record = from.next();
            return record != null && record.sequence() == sequence ? record : null;
        }
    }

    /** Closes the files. The next call of {@link #next} opens them again. */
    @Override
    public void close() throws IOException {
        LogWalk open = walk;
        walk = null;
        ahead = null;
        if (open != null) {
            open.close();
        }
    }
}
