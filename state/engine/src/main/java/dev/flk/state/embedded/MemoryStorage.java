// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.Event;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.Storage;
import dev.flk.state.embedded.Tables.Table;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;

/** A storage in memory, for tests and trials; nothing is durable. Bounded; safe for any thread. */
public final class MemoryStorage implements Storage {
    private final Supplier<String> newHistoryId;
    private final long maxBytes;
    private final MemoryTables tables = new MemoryTables();
    private final TableReads reads = new TableReads(tables, this::head);
    private final Map<String, Long> trimmed = new HashMap<>();
    private Head head;

    /**
     * Creates an empty storage.
     *
     * @param newHistoryId generates the id of a new history
     * @param maxBytes the approximate size, in bytes, above which commits are rejected
     */
    public MemoryStorage(Supplier<String> newHistoryId, long maxBytes) {
        this.newHistoryId = newHistoryId;
        this.head = new Head(newHistoryId.get(), 0, 0, 0, 0);
        this.maxBytes = maxBytes;
    }

    @Override
    public void open() {
        // it is always open
    }

    @Override
    public synchronized Head head() {
        return head;
    }

    @Override
    public synchronized void commit(Set<StateKey> keys, Set<RequestKey> requests, Function<Existing, Batch> decide) {
        Batch batch = decide.apply(reads.existing(keys, requests));
        long more = batch.events().stream().mapToLong(Event::bytes).sum();
        if (more > 0 && tables.bytes() + more > maxBytes) { // answers from memory need no room
            throw Reason.DISK_FULL.because("the state in memory is full: it can hold at most " + maxBytes
                    + " bytes (STATE_CACHE_BYTES); compact the history, or raise that setting");
        }
        TableWrites writes = new TableWrites(tables);
        writes.put(batch);
        tables.write(writes.changes());
        for (Event event : batch.events()) {
            head = head.next(event.committedAtMicros());
        }
    }

    @Override
    public synchronized <T> T read(Function<Reads, T> reading) {
        return reading.apply(reads);
    }

    @Override
    public synchronized void compact(long floor) {
        if (floor > head.floor()) {
            head = new Head(
                    head.historyId(), head.revision(), head.committedAtMicros(), floor, tables.committedAt(floor));
            removeAll((all, from) -> Removal.ofVersions(all, from, floor), new byte[0]);
            removeAll((all, from) -> Removal.ofHeaders(all, from, floor), new byte[0]);
        }
    }

    @Override
    public synchronized void trim(String namespace, long upTo) {
        long done = trimmedUpTo(namespace);
        if (upTo > done) {
            trimmed.put(namespace, upTo);
            removeAll(new Removal.Trim(namespace, upTo), StateLayout.event(done + 1, 0));
        }
    }

    private void removeAll(Removal removal, byte[] first) {
        Optional<byte[]> next = Optional.of(first);
        while (next.isPresent()) {
            next = removal.some(tables, next.get());
        }
    }

    @Override
    public synchronized long trimmedUpTo(String namespace) {
        return trimmed.getOrDefault(namespace, 0L);
    }

    @Override
    public synchronized void restore(long floor, long floorAtMicros, Iterator<Event> events, long nowMicros) {
        requireEmpty(head);
        head = TableWrites.restore(tables, newHistoryId.get(), floor, floorAtMicros, events, nowMicros);
        tables.write(TableWrites.history(head));
    }

    @Override
    public synchronized boolean forgetAnswers(long nowMicros) {
        return Removal.ofAnswers(tables, nowMicros);
    }

    @Override
    public synchronized long lastExpiryMicros() {
        return reads.lastExpiryMicros();
    }

    @Override
    public synchronized long keys() {
        return tables.size(Table.LATEST);
    }

    @Override
    public synchronized long bytes() {
        return tables.bytes();
    }

    @Override
    public void close() {
        // what was committed remains until the next open()
    }
}
