// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.Outbox.LastSending;
import dev.flk.agent.outbox.OutboxRecords.Name;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import org.jspecify.annotations.Nullable;

/**
 * The state of an outbox, computed from the records of its log. Safe for several threads once the log has been read.
 */
final class OutboxContents {
    private final Pending pending = new Pending();
    private final Set<Name> requeued = ConcurrentHashMap.newKeySet();
    /** The sequences of entries that became pending later than those that follow them, and were not sent since. */
    private final NavigableSet<Long> again = new ConcurrentSkipListSet<>();

    private volatile @Nullable LastSending lastSending;
    private long last;

    /** Reads the entire log and returns the resulting state. */
    static OutboxContents replay(LogReader log) throws IOException {
        OutboxContents contents = new OutboxContents();
        for (LogRecord record = log.next(); record != null; record = log.next()) {
            contents.apply(record);
            contents.last = record.sequence();
        }
        contents.pending.keepShardNames();
        return contents;
    }

    void apply(LogRecord record) throws IOException {
        switch (record.kind()) {
            case OutboxRecords.CERTIFICATE -> pending.add(OutboxRecords.entry(record), OutboxRecords.shard(record));
            case OutboxRecords.REQUEUED -> {
                pending.add(OutboxRecords.entry(record), OutboxRecords.shard(record));
                requeued.add(OutboxRecords.formerName(record.body()));
            }
            case OutboxRecords.MOVED ->
                again(OutboxRecords.entry(record), OutboxRecords.shard(record), record.sequence());
            case OutboxRecords.SETTLED -> {
                for (long sequence : OutboxRecords.settledSequences(record.body())) {
                    pending.remove(sequence);
                }
            }
            case OutboxRecords.BEING_SENT -> {
                long[] numbers = OutboxRecords.numbers(record.body());
                sending(new LastSending(
                        Instant.ofEpochMilli(record.arrivalMillis()), Instant.ofEpochMilli(numbers[0])));
                for (int i = 1; i < numbers.length; i++) {
                    pending.beingSent(numbers[i], numbers[0]);
                }
            }
            case OutboxRecords.NOT_ARRIVED -> {
                for (long sequence : OutboxRecords.numbers(record.body())) {
                    pending.notArrived(sequence);
                }
            }
            case OutboxRecords.STILL_IN_FILE -> requeued.addAll(OutboxRecords.names(record.body()));
            default -> throw OutboxRecords.unknown(record);
        }
    }

    /**
     * Removes the entries that have changed since the record was made from a record of the kind {@code BEING_SENT} or
     * {@code NOT_ARRIVED}. The record is appended late, and would otherwise overrule newer records of these entries.
     * Returns empty if no entry is left. Returns records of other kinds unchanged.
     */
    Optional<Entry> withoutOutdated(Entry note) {
        boolean isSent = note.kind() == OutboxRecords.BEING_SENT;
        if (!isSent && note.kind() != OutboxRecords.NOT_ARRIVED) {
            return Optional.of(note);
        }
        long[] numbers = OutboxRecords.numbers(note.body());
        List<Long> kept = new ArrayList<>();
        for (int i = isSent ? 1 : 0; i < numbers.length; i++) {
            if ((pending.unansweredSinceMillis(numbers[i]) >= 0) == isSent) {
                kept.add(numbers[i]);
            }
        }
        if (kept.isEmpty()) {
            return Optional.empty();
        }
        if (isSent) {
            kept.add(0, numbers[0]);
        }
        return Optional.of(OutboxRecords.record(note.kind(), note.arrivalMillis(), OutboxRecords.numbers(kept)));
    }

    /** Returns the sequence of the last record that was read from the log; 0 if the log had no record. */
    long last() {
        return last;
    }

    Pending pending() {
        return pending;
    }

    /** Notes that a later record contains an entry's certificate, and makes the entry pending if it is not. */
    void again(OutboxEntry entry, String shard, long location) {
        if (pending.relocate(entry, shard, location)) {
            again.add(entry.sequence());
        }
    }

    /** Returns the sequences of the entries to send after all others. A change to the set changes this state. */
    NavigableSet<Long> again() {
        return again;
    }

    /** Stores the time at which certificates were last sent. */
    void sending(LastSending now) {
        lastSending = now;
    }

    /** Returns the time at which certificates were last sent; empty if no sending is recorded. */
    Optional<LastSending> lastSending() {
        return Optional.ofNullable(lastSending);
    }

    /**
     * Returns the names of former entries whose dead letters were requeued but may still be in the file of dead
     * letters. The returned set is not a copy: a change to the set changes this state.
     */
    Set<Name> requeued() {
        return requeued;
    }

    /** Returns whether {@link #requeued} contains this former entry. */
    boolean wasRequeued(Name name) {
        return requeued.contains(name);
    }

    /**
     * The gaps in the log: the ranges of records that the disk has lost. The log may report the same missing
     * record for several segments; each missing record is counted once here.
     */
    record Losses(List<Damage> gaps) {

        static Losses of(Collection<Damage> damages) {
            List<Damage> gaps = new ArrayList<>();
            long reportedUpTo = -1;
            List<Damage> inOrder = damages.stream()
                    .sorted(Comparator.comparingLong(Damage::firstMissing))
                    .toList();
            for (Damage damage : inOrder) {
                if (damage.lastMissing() > reportedUpTo) {
                    long first = Math.max(damage.firstMissing(), reportedUpTo + 1);
                    gaps.add(new Damage(damage.kind(), damage.segment(), damage.offset(), first, damage.lastMissing()));
                    reportedUpTo = damage.lastMissing();
                }
            }
            return new Losses(gaps);
        }

        /** Returns the number of missing records; at least 1 if there is a gap, whose length may be unknown. */
        long records() {
            long known = gaps.stream()
                    .mapToLong(gap -> gap.lastMissing() - gap.firstMissing() + 1)
                    .sum();
            return Math.max(known, gaps.isEmpty() ? 0 : 1);
        }

        /** Returns a sentence for each gap. */
        List<String> describe() {
            return gaps.stream().map(Damage::describe).toList();
        }
    }
}
