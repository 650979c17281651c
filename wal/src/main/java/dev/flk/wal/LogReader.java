// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Damage.OnDamage;
import dev.flk.wal.Damage.TornTail;
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
 * Reads a log from a sequence to its end, oldest first; verifies checksums and the sequence as it goes. It changes nothing, and
 * works beside a running writer: what was being written while it read is taken for a torn tail or left out. One thread.
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

    /** The sequence that must come next; what a segment leaves out shows when the next one begins. */
    private long expected;

    private @Nullable SegmentCursor cursor;

    /**
     * Reads a list from sequence {@code from} (or the oldest there is) up to {@code end}, exclusive, to which the log goes if that is a
     * sequence; missing segments that hold nothing behind {@code decidedUpTo} are passed over.
     */
    LogReader(SegmentList list, long from, long end, OnDamage onDamage, long decidedUpTo) {
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

    /** Reads all of a list. */
    static LogReader over(SegmentList list, OnDamage onDamage) {
        return new LogReader(list, 1, Long.MAX_VALUE, onDamage, 0);
    }

    /** Reads the directory's segments from sequence {@code from} (or the oldest there is) to the end. */
    public static LogReader open(FileOps files, Path directory, String prefix, long from, OnDamage onDamage)
            throws IOException {
        return new LogReader(SegmentList.read(files, directory, prefix), from, Long.MAX_VALUE, onDamage, 0);
    }

    /**
     * The next record; null at the end of the log.
     *
     * @throws DamagedLogException if something that had been forced is missing and damage is not to be skipped
     */
    public @Nullable LogRecord next() throws IOException {
        while (index < list.segments().size()) {
            SegmentCursor current = cursor == null ? openNext() : cursor;
            LogRecord record = current.next();
            note(damageMetBy(current, record));
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

    /** Where the log is known to go further than any segment that is there, it goes on in one that is not. */
    private void noteEnd() throws DamagedLogException {
        if (!endNoted) {
            Damage lost = list.lostBehind(expected);
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

    /** What a segment lacks at its end stands in the one that is not there, also if it failed, and its end is torn. */
    private @Nullable Damage damageMetBy(SegmentCursor current, @Nullable LogRecord record) {
        Damage damage = current.damage();
        return damage != null && record == null && list.isSuccessorAbsent(index)
                ? list.absentBefore(index + 1, damage.firstMissing(), damage.lastMissing())
                : damage;
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

    /** What was skipped so far, but for {@link #absent}. */
    public List<Damage> damages() {
        return List.copyOf(damages);
    }

    /** What was passed over so far because the segment is not there and everything in it is decided. */
    public List<Damage> absent() {
        return List.copyOf(absent);
    }

    /** The first sequence from which on the log is there, or known to be lost since a repair; not below the one asked for. */
    public long beginning() {
        return Math.max(from, list.firstKnown());
    }

    /** The unfinished end of the newest segment, once it was reached; null if there is none. */
    @Nullable
    TornTail tornTail() {
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
     * Goes through a log that its owner may be changing: a segment that is replaced or removed under it makes it list the
     * directory again and go on where it was. It goes on behind damage, and changes nothing. One thread.
     */
    public static final class LogWalk implements Closeable {
        private final FileOps files;
        private final Path directory;
        private final String prefix;
        private final Set<Damage> damages = new LinkedHashSet<>();
        private long from;
        private @Nullable LogReader reader;

        LogWalk(FileOps files, Path directory, String prefix, long from) {
            this.files = files;
            this.directory = directory;
            this.prefix = prefix;
            this.from = from;
        }

        /** The next record; null at the end of the log, as it was when the directory was listed last. */
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
                current = LogReader.open(files, directory, prefix, from, OnDamage.SKIP);
                reader = current;
            }
            try {
                return current.next();
            } catch (IOException e) {
                close(); // another listing may tell more
                throw e;
            }
        }

        /** What was met as missing so far, in the order of the log. */
        public List<Damage> damages() {
            Set<Damage> all = new LinkedHashSet<>(damages);
            if (reader != null) {
                all.addAll(reader.damages());
            }
            return List.copyOf(all);
        }

        /** Where the log ends unfinished, once the end was reached; null if it does not. */
        @Nullable
        TornTail tornTail() {
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
