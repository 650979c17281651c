// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.Event.Change;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateReads.Found;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A model of the state as a map of each key's versions and a list of events, without disk, threads or concurrent
 * transactions.
 */
final class StateModel {
    static final String TRIMMED = "trimmed";

    final TreeMap<StateKey, List<Version>> versions = new TreeMap<>();
    final List<Event> events = new ArrayList<>();
    /** The end of each key's lifetime, in microseconds since the epoch. */
    private final TreeMap<StateKey, Long> expiries = new TreeMap<>();

    long floor;
    /** The revision up to which {@link #TRIMMED} is trimmed. */
    long trimmed;

    private long lastMicros;

    private final Map<String, Committed> answered = new HashMap<>();

    long revision() {
        return floor + events.size();
    }

    /** Returns the result of a commit, or the reason for its rejection. */
    Object apply(String requestId, List<Operation> operations, long micros) {
        if (answered.containsKey(requestId)) {
            return answered.get(requestId);
        }
        TreeMap<StateKey, Version> staged = new TreeMap<>();
        TreeMap<StateKey, Long> stagedExpiries = new TreeMap<>();
        List<Change> changes = new ArrayList<>();
        List<Long> made = new ArrayList<>();
        long revision = revision() + 1;
        for (Operation operation : operations) {
            Version last = staged.getOrDefault(operation.key(), last(operation.key()));
            boolean exists = last != null && !last.isDeleted();
            long version = last == null ? 0 : last.version();
            long expected = operation.ifVersion();
            if (expected == 0 ? exists : expected > 0 && expected != version) {
                return Reason.VERSION_CONFLICT;
            }
            if (operation instanceof Operation.Touch touch) {
                if (!exists) {
                    return Reason.VERSION_CONFLICT;
                }
                if (stagedExpiries.getOrDefault(touch.key(), expiries.getOrDefault(touch.key(), 0L)) == 0) {
                    return Reason.INVALID;
                }
                stagedExpiries.put(touch.key(), micros + touch.ttlMicros());
                made.add(version);
                continue;
            }
            if (operation instanceof Operation.Write write) {
                staged.put(write.key(), new Version(version + 1, revision, 0, write.json(), write.ttlMicros()));
                stagedExpiries.put(write.key(), write.ttlMicros() == 0 ? 0 : micros + write.ttlMicros());
            } else if (operation instanceof Operation.Delete && exists) {
                staged.put(operation.key(), new Version(version + 1, revision, 0, null));
                stagedExpiries.put(operation.key(), 0L);
            } else {
                made.add(version);
                continue;
            }
            made.add(version + 1);
            Version next = staged.get(operation.key());
            changes.add(new Change(operation.key(), version + 1, next.json(), next.ttlMicros()));
        }
        expiries.putAll(stagedExpiries);
        expiries.values().removeIf(expiresAt -> expiresAt == 0);
        if (changes.isEmpty()) {
            return answered(requestId, new Committed(0, 0, made));
        }
        long at = Math.max(micros, lastMicros + 1);
        lastMicros = at;
        events.add(new Event(revision, at, changes));
        for (Change change : changes) {
            versions.computeIfAbsent(change.key(), key -> new ArrayList<>())
                    .add(new Version(change.version(), revision, at, change.json(), change.ttlMicros()));
        }
        return answered(requestId, new Committed(revision, at, made));
    }

    /** Deletes the keys whose lifetimes have ended, in the order in which they ended. */
    void expire(long micros) {
        List<Operation> deletions = expiries.entrySet().stream()
                .filter(entry -> entry.getValue() <= micros)
                .sorted(Map.Entry.comparingByValue()) // stable: keys with the same end stay in order
                .<Operation>map(entry -> new Operation.Delete(entry.getKey(), Operation.ANY_VERSION))
                .toList();
        Object unused = apply("", deletions, micros);
    }

    private Committed answered(String requestId, Committed committed) {
        if (!requestId.isEmpty()) {
            answered.put(requestId, committed);
        }
        return committed;
    }

    private Version last(StateKey key) {
        List<Version> of = versions.get(key);
        return of == null ? null : of.get(of.size() - 1);
    }

    Found get(StateKey key, long atRevision) {
        Version found = null;
        for (Version version : versions.getOrDefault(key, List.of())) {
            found = version.revision() <= atRevision ? version : found;
        }
        return found == null
                ? new Found.Absent()
                : found.isDeleted() ? new Found.Deleted(found) : new Found.Present(found);
    }

    void compact(long newFloor) {
        for (List<Version> of : List.copyOf(versions.values())) {
            Version stood = null;
            for (Version version : of) {
                stood = version.revision() <= newFloor ? version : stood;
            }
            Version kept = stood;
            of.removeIf(version -> version.revision() <= newFloor && (!version.equals(kept) || version.isDeleted()));
        }
        versions.values().removeIf(List::isEmpty);
        events.subList(0, (int) (newFloor - floor)).clear();
        floor = newFloor;
    }

    void trim(long upTo) {
        trimmed = Math.max(trimmed, upTo);
        versions.forEach((key, of) -> of.removeIf(
                version -> version.revision() <= upTo && key.namespace().equals(TRIMMED)));
        versions.values().removeIf(List::isEmpty);
        expiries.keySet().retainAll(versions.keySet());
        events.replaceAll(event -> event.revision() > upTo
                ? event
                : new Event(
                        event.revision(),
                        event.committedAtMicros(),
                        event.changes().stream()
                                .filter(change -> !change.key().namespace().equals(TRIMMED))
                                .toList(),
                        event.operationsTotal()));
    }

    /** The oldest revision at which a key can be read. */
    long oldest(StateKey key) {
        return key.namespace().equals(TRIMMED) ? Math.max(floor, trimmed) : floor;
    }
}
