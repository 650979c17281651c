// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.LogReader;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The entries that are not settled, in the order of their sequences, without their bodies: some 100 bytes each. Safe for
 * several threads.
 */
final class Pending {
    private final TreeMap<Long, Entry> entries = new TreeMap<>();
    private long bytes;

    /** Reads the whole log and keeps what is not settled in it. */
    static Pending replay(LogReader log) throws IOException {
        Pending pending = new Pending();
        for (LogRecord record = log.next(); record != null; record = log.next()) {
            pending.apply(record);
        }
        return pending;
    }

    private void apply(LogRecord record) throws IOException {
        switch (record.kind()) {
            case OutboxRecords.CERTIFICATE ->
                add(new Entry(record.sequence(), record.arrivalMillis(), record.body().length, -1));
            case OutboxRecords.SETTLED -> {
                for (long sequence : OutboxRecords.numbers(record.body())) {
                    remove(sequence);
                }
            }
            case OutboxRecords.UNANSWERED -> {
                long[] numbers = OutboxRecords.numbers(record.body());
                entries.computeIfPresent(numbers[0], (sequence, entry) -> entry.unansweredSince(numbers[1]));
            }
            default ->
                throw new IOException("the outbox has a record of the unknown kind " + record.kind() + " at sequence "
                        + record.sequence() + "; it was written by a newer version, use that one");
        }
    }

    synchronized void add(Entry entry) {
        entries.put(entry.sequence(), entry);
        bytes += entry.bodyBytes();
    }

    /** Forgets an entry; returns whether it was there. */
    synchronized boolean remove(long sequence) {
        Entry removed = entries.remove(sequence);
        if (removed != null) {
            bytes -= removed.bodyBytes();
        }
        return removed != null;
    }

    synchronized int size() {
        return entries.size();
    }

    /** Bytes of the certificates. */
    synchronized long bytes() {
        return bytes;
    }

    synchronized Optional<Entry> oldest() {
        return entries.isEmpty()
                ? Optional.empty()
                : Optional.of(entries.firstEntry().getValue());
    }

    synchronized List<Entry> all() {
        Collection<Entry> values = entries.values();
        return new ArrayList<>(values);
    }
}
