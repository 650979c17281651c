// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.segment;

import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.Damage.TornTail;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A reader of the records of a log in order, from a given sequence to the end of the log. It verifies checksums and
 * sequences, changes nothing, and may run concurrently with the writer. Records that are being written do not appear,
 * or appear as a torn tail. One thread.
 */
public final class LogReader implements Closeable {
    private final SegmentList list;
    private final OnDamage onDamage;
    private final long from;
    private final long end;
    private final long decidedUpTo;
    private final List<Damage> damages = new ArrayList<>();
    private final List<Damage> absent = new ArrayList<>();
    private @Nullable TornTail tornTail;
    private int index;
    private boolean endNoted;

    /** The sequence that must come next. A gap between two segments is found when the second one is opened. */
    private long expected;

    private @Nullable SegmentCursor cursor;

    /**
     * Creates a reader of a list of segments.
     *
     * @param from the first sequence to read; the reader begins with the oldest record if that is later
     * @param end the end of the log, exclusive; {@code Long.MAX_VALUE} if unknown
     * @param decidedUpTo the sequence up to which the caller no longer needs records, because it has decided them; 0
     *     for none. A missing segment that contained only such records is not damage; {@link #absent} returns their
     *     range
     */
    public LogReader(SegmentList list, long from, long end, OnDamage onDamage, long decidedUpTo) {
        this.list = list;
        this.from = from;
        this.end = end;
        this.onDamage = onDamage;
        this.decidedUpTo = decidedUpTo;
        while (index < list.segments().size() && list.segments().get(index).countedEnd() <= from) {
            index++;
        }
        this.expected = index == 0 ? list.firstKnown() : from;
    }

    /** Creates a reader of all records of a list of segments. */
    public static LogReader over(SegmentList list, OnDamage onDamage) {
        return new LogReader(list, 1, Long.MAX_VALUE, onDamage, 0);
    }

    /**
     * Opens a reader of the segments in a directory from sequence {@code from}, or from the oldest record if that is
     * later.
     */
    public static LogReader open(FileOps files, Path directory, String prefix, long from, OnDamage onDamage)
            throws IOException {
        return new LogReader(SegmentList.read(files, directory, prefix), from, Long.MAX_VALUE, onDamage, 0);
    }

    /**
     * Returns the next record; null at the end of the log.
     *
     * @throws DamagedLogException if forced records are missing and the reader stops at damage
     */
    public @Nullable LogRecord next() throws IOException {
        while (index < list.segments().size()) {
            SegmentCursor current = cursor == null ? openNext() : cursor;
            LogRecord record = current.next();
            Damage damage = current.damage();
            note(damage != null && record == null ? list.damageAtEnd(index, current, damage) : damage);
            expected = Math.max(expected, current.expected());
            if (record == null) {
                if (current.torn()) {
                    tornTail = TornTail.of(current.scan(), current.expected());
                }
                current.close();
                cursor = null;
                index++;
            } else if (record.sequence() >= end) {
                close();
                index = list.segments().size();
            } else if (record.sequence() >= from) {
                return record;
            }
        }
        noteEnd();
        return null;
    }

    /** Notes the lost records after the newest segment. */
    private void noteEnd() throws DamagedLogException {
        if (!endNoted) {
            Damage lost = list.lostAfterNewest(expected);
            note(lost == null && end < Long.MAX_VALUE && expected < end ? list.absentAtEnd(expected, end - 1) : lost);
            endNoted = true;
        }
    }

    private SegmentCursor openNext() throws IOException {
        SegmentCursor opened = list.open(index);
        cursor = opened;
        long first = opened.expected();
        note(first > expected ? list.lostBefore(index, expected, first) : list.missingBefore(index));
        return opened;
    }

    private void note(@Nullable Damage damage) throws DamagedLogException {
        if (damage == null
                || damage.lastMissing() < from
                || Math.min(damage.firstMissing(), damage.lastMissing()) >= end) {
            return;
        }
        for (Damage met :
                damage.missing() == 0 ? List.of(damage) : list.losses().undeclared(damage)) {
            if (met.kind() == Damage.Kind.ABSENT && met.lastMissing() <= decidedUpTo) {
                absent.add(met);
            } else if (onDamage == OnDamage.STOP) {
                throw new DamagedLogException(met);
            } else {
                damages.add(met);
            }
        }
    }

    /** Returns the damage that was skipped so far, except the ranges that {@link #absent} returns. */
    public List<Damage> damages() {
        return List.copyOf(damages);
    }

    /**
     * Returns the ranges of missing records that were skipped so far and do not count as damage. Each range was in a
     * missing segment and ends at or before the sequence {@code decidedUpTo} of the constructor.
     */
    public List<Damage> absent() {
        return List.copyOf(absent);
    }

    /**
     * Returns the sequence at which this reader begins: the requested sequence, or {@link SegmentList#firstKnown} if
     * that is later. The record with the first known sequence may be lost.
     */
    public long beginning() {
        return Math.max(from, list.firstKnown());
    }

    /**
     * Returns the torn tail of the newest segment; null if the segment ends cleanly or the reader has not reached the
     * end.
     */
    @Nullable
    public TornTail tornTail() {
        return tornTail;
    }

    @Override
    public void close() throws IOException {
        if (cursor != null) {
            cursor.close();
            cursor = null;
        }
    }

    /**
     * A read-only walk through a log that its owner may be changing. If a segment is replaced or removed meanwhile, the
     * walk opens another reader at the same sequence. One thread.
     */
    public static final class LogWalk implements Closeable {
        private final Opening opening;
        private final Set<Damage> damages = new LinkedHashSet<>();
        private long from;
        private @Nullable LogReader reader;

        /** Opens a reader, which lists the directory and determines how the walk treats damage. */
        public interface Opening {
            /** Returns a reader from a sequence on, or from the oldest record if that is later. */
            LogReader open(long from) throws IOException;
        }

        /** Creates a walk from sequence {@code from}, or from the oldest record if that is later. */
        public LogWalk(Opening opening, long from) {
            this.opening = opening;
            this.from = from;
        }

        /** Returns the next record; null at the end of the log, as of the last listing of the directory. */
        public @Nullable LogRecord next() throws IOException {
            LogRecord record = Vanished.retry(() -> Optional.ofNullable(read())).orElse(null);
            if (record != null) {
                from = record.sequence() + 1;
            }
            return record;
        }

        private @Nullable LogRecord read() throws IOException {
            LogReader current = reader;
            if (current == null) {
                current = opening.open(from);
                reader = current;
            }
            try {
                return current.next();
            } catch (IOException e) {
                close(); // the next attempt lists the directory again
                throw e;
            }
        }

        /** Returns the damage that was found so far, in the order of the log. */
        public List<Damage> damages() {
            Set<Damage> all = new LinkedHashSet<>(damages);
            if (reader != null) {
                all.addAll(reader.damages());
            }
            return List.copyOf(all);
        }

        /** Returns the torn tail of the log; null if the log ends cleanly or its end has not been reached. */
        @Nullable
        public TornTail tornTail() {
            return reader == null ? null : reader.tornTail();
        }

        @Override
        public void close() throws IOException {
            LogReader left = reader;
            if (left != null) {
                damages.addAll(left.damages());
                reader = null;
                left.close();
            }
        }
    }
}
