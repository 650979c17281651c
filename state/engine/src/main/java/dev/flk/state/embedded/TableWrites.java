// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.Event;
import dev.flk.state.Event.Change;
import dev.flk.state.StateKey;
import dev.flk.state.Storage.Answered;
import dev.flk.state.Storage.Batch;
import dev.flk.state.Storage.Head;
import dev.flk.state.Storage.RequestKey;
import dev.flk.state.embedded.StateLayout.Header;
import dev.flk.state.embedded.StateLayout.Pointer;
import dev.flk.state.embedded.Tables.Changes;
import dev.flk.state.embedded.Tables.Table;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The changes of the tables that events lead to. No other change is made between the first call and the write. */
record TableWrites(Tables tables, Changes changes) {
    TableWrites(Tables tables) {
        this(tables, new Changes());
    }

    void put(Batch batch) {
        for (Event event : batch.events()) {
            put(event, batch.expiries());
        }
        putExpiries(batch.expiries(), batch.events());
        for (Map.Entry<RequestKey, Answered> answer : batch.answered().entrySet()) {
            byte[] key = StateLayout.request(answer.getKey());
            changes.put(Table.REQUESTS, key, StateLayout.answered(answer.getValue()));
            changes.put(Table.REQUESTS, StateLayout.expiry(answer.getValue().expiresAtMicros(), key), new byte[0]);
        }
    }

    /** @param expiries the ends of lifetimes, see {@link Batch} */
    private void put(Event event, Map<StateKey, Long> expiries) {
        List<Change> made = event.changes();
        changes.put(
                Table.EVENTS,
                StateLayout.event(event.revision(), 0),
                new Header(event.committedAtMicros(), event.operationsTotal(), made.size()).encode());
        for (int i = 0; i < made.size(); i++) {
            put(event, made.get(i), i + 1, expiries);
        }
    }

    private void put(Event event, Change change, int place, Map<StateKey, Long> expiries) {
        Pointer pointer = new Pointer(
                change.version(), event.revision(), place, event.committedAtMicros(), change.json() != null);
        changes.put(Table.EVENTS, StateLayout.event(event.revision(), place), StateLayout.change(change));
        changes.put(Table.VERSIONS, StateLayout.version(change.key(), event.revision(), place), pointer.encode());
        changes.put(
                Table.LATEST,
                StateLayout.latest(change.key()),
                pointer.expiringAt(expiries.getOrDefault(change.key(), 0L)).encode());
    }

    /**
     * Replaces the entries that order keys by the ends of their lifetimes. Also writes the new ends into {@code
     * latest}, except for keys that {@code events} change: {@code put} writes the ends for these keys.
     */
    private void putExpiries(Map<StateKey, Long> expiries, List<Event> events) {
        if (expiries.isEmpty()) {
            return;
        }
        Set<StateKey> changed = events.stream()
                .flatMap(event -> event.changes().stream())
                .map(Change::key)
                .collect(Collectors.toSet());
        for (Map.Entry<StateKey, Long> expiry : expiries.entrySet()) {
            byte[] latestKey = StateLayout.latest(expiry.getKey());
            byte[] latest = tables.get(Table.LATEST, latestKey);
            Pointer before = latest == null ? null : Pointer.decode(latest);
            long expiresAt = expiry.getValue();
            if (before != null && before.expiresAtMicros() != 0) {
                changes.delete(Table.REQUESTS, StateLayout.lifetime(before.expiresAtMicros(), latestKey));
            }
            if (expiresAt != 0) {
                changes.put(Table.REQUESTS, StateLayout.lifetime(expiresAt, latestKey), new byte[0]);
            }
            if (before != null && !changed.contains(expiry.getKey())) {
                changes.put(
                        Table.LATEST, latestKey, before.expiringAt(expiresAt).encode());
            }
        }
    }

    /** Fills empty tables, except for the description of the history; see {@link dev.flk.state.Storage#restore}. */
    static Head restore(
            Tables tables, String historyId, long floor, long floorAtMicros, Iterator<Event> events, long nowMicros) {
        Head head = new Head(historyId, floor, floorAtMicros, floor, floorAtMicros);
        int place = 0;
        while (events.hasNext()) {
            Event event = events.next();
            Map<StateKey, Long> expiries = Batch.expiries(List.of(event), nowMicros);
            TableWrites writes = new TableWrites(tables);
            writes.putExpiries(expiries, List.of(event));
            if (event.revision() > floor) {
                writes.put(event, expiries);
                head = head.next(event.committedAtMicros());
            } else {
                for (Change change : event.changes()) {
                    writes.put(event, change, ++place, expiries);
                }
            }
            tables.write(writes.changes());
        }
        return head;
    }

    /** Returns the description of a history without removed changes after its floor. */
    static Changes history(Head head) {
        return new Changes()
                .put(Table.META, StateLayout.FORMAT_KEY, StateLayout.ints(StateLayout.FORMAT))
                .put(Table.META, StateLayout.HISTORY_KEY, StateLayout.utf8(head.historyId()))
                .put(Table.META, StateLayout.FLOOR_KEY, StateLayout.longs(head.floor(), head.floorAtMicros()))
                .put(Table.META, StateLayout.REMOVED_KEY, StateLayout.longs(head.floor()));
    }
}
