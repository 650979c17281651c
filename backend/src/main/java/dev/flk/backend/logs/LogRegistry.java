// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import dev.flk.backend.stores.StoreUnavailableException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The logs whose outcomes are in one store, by their ids. It is kept in that store, with a connection of its own, so
 * that a failure here never interrupts the recording of outcomes. One thread.
 */
public interface LogRegistry extends AutoCloseable {

    /** A change of the registry. */
    sealed interface Change {
        /** Adds or replaces an entry. */
        record Put(LogEntry entry) implements Change {}

        /** Adds an entry unless its log has one. */
        record Add(LogEntry entry) implements Change {}

        /** Removes the entry of a log. */
        record Remove(String logId) implements Change {}
    }

    /**
     * Applies changes, atomically and in order. Blocks for a bounded time.
     *
     * @return all entries as they were before the changes, by the ids of their logs
     * @throws StoreUnavailableException if the store fails; the changes may have taken effect
     */
    Map<String, LogEntry> update(List<Change> changes);

    /** Returns whether other backends may use this registry. */
    default boolean isShared() {
        return true;
    }

    @Override
    void close();

    /** Returns the registry of a backend whose store is its own: it is in memory. */
    static LogRegistry ofOneBackend() {
        Map<String, LogEntry> entries = new LinkedHashMap<>();
        return new LogRegistry() {
            @Override
            public Map<String, LogEntry> update(List<Change> changes) {
                Map<String, LogEntry> before = new LinkedHashMap<>(entries);
                changes.forEach(change -> apply(change, entries));
                return before;
            }

            @Override
            public boolean isShared() {
                return false;
            }

            @Override
            public void close() {}
        };
    }

    /** Applies a change to entries in memory. */
    static void apply(Change change, Map<String, LogEntry> entries) {
        if (change instanceof Change.Put put) {
            entries.put(put.entry().logId(), put.entry());
        } else if (change instanceof Change.Add add) {
            entries.putIfAbsent(add.entry().logId(), add.entry());
        } else if (change instanceof Change.Remove remove) {
            entries.remove(remove.logId());
        }
    }
}
