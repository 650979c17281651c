// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.LogReader;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** What the log says when it is read from its beginning to its end. */
final class Contents {
    private final Pending pending = new Pending();
    private final Set<Name> requeued = ConcurrentHashMap.newKeySet();

    /** Reads the whole log. */
    static Contents replay(LogReader log) throws IOException {
        Contents contents = new Contents();
        for (LogRecord record = log.next(); record != null; record = log.next()) {
            contents.apply(record);
        }
        contents.pending.keepShardNames();
        return contents;
    }

    void apply(LogRecord record) throws IOException {
        switch (record.kind()) {
            case OutboxRecords.CERTIFICATE -> pending.add(OutboxRecords.entry(record), OutboxRecords.shard(record));
            case OutboxRecords.REQUEUED -> {
                pending.add(OutboxRecords.entry(record), OutboxRecords.shard(record));
                requeued.add(OutboxRecords.was(record.body()));
            }
            case OutboxRecords.MOVED ->
                pending.relocate(OutboxRecords.entry(record), OutboxRecords.shard(record), record.sequence());
            case OutboxRecords.SETTLED -> {
                for (long sequence : OutboxRecords.settledSequences(record.body())) {
                    pending.remove(sequence);
                }
            }
            case OutboxRecords.BEING_SENT -> {
                long[] numbers = OutboxRecords.numbers(record.body());
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

    /** What waits. */
    Pending pending() {
        return pending;
    }

    /** The dead letters that were taken back and may still stand in their file. */
    Set<Name> requeued() {
        return requeued;
    }

    /** Whether the dead letter of this entry was taken back. */
    boolean wasRequeued(Name name) {
        return requeued.contains(name);
    }
}
