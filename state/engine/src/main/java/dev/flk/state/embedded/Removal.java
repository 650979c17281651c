// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.Event.Change;
import dev.flk.state.embedded.StateLayout.Header;
import dev.flk.state.embedded.StateLayout.Pointer;
import dev.flk.state.embedded.Tables.Changes;
import dev.flk.state.embedded.Tables.Scan;
import dev.flk.state.embedded.Tables.Table;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A removal, in parts, of entries that are no longer retained. Each call of {@link #some} removes one part. The call
 * starts at a key and returns the key at which the next call continues, or empty at the end. No commit runs during a
 * call.
 */
interface Removal {
    int AT_ONCE = 1_000;
    int EXAMINED_AT_ONCE = 10_000;
    int ANSWERS_AT_ONCE = 10_000;

    Optional<byte[]> some(Tables tables, byte[] from);

    /**
     * Removes a part of the versions that a compaction to {@code floor} does not retain, with their changes. For each
     * key, a compaction retains the newest version at or below the floor and removes all earlier versions. If the
     * retained version is a deletion, the compaction finally removes the deletion as well, after the earlier versions,
     * so that no deleted value ever reappears.
     *
     * @return the key at which to continue; empty at the end
     */
    static Optional<byte[]> ofVersions(Tables tables, byte[] from, long floor) {
        Changes removed = new Changes();
        try (Scan versions = tables.scan(Table.VERSIONS, new byte[0])) {
            Removed agents = new Removed(tables, removed);
            int looked = 0;
            boolean isValid = versions.seek(from);
            while (isValid) {
                byte[] first = versions.key();
                byte[] key = Arrays.copyOf(first, first.length - StateLayout.PLACE_BYTES);
                if (removed.count() >= AT_ONCE || looked++ >= EXAMINED_AT_ONCE) {
                    tables.write(removed);
                    return Optional.of(key);
                }
                byte[] prefix = Arrays.copyOf(first, key.length + 1);
                isValid = versions.seek(StateLayout.version(key, floor, -1));
                if (!isValid || !StateLayout.startsWith(versions.key(), prefix)) {
                    continue; // all versions are later than the floor
                }
                byte[] at = versions.key();
                Pointer stood = Pointer.decode(versions.value());
                while ((isValid = versions.next()) && StateLayout.startsWith(versions.key(), prefix)) {
                    remove(removed, versions.key(), Pointer.decode(versions.value()));
                    if (removed.count() >= AT_ONCE) {
                        tables.write(removed);
                        return Optional.of(key);
                    }
                }
                if (!stood.exists()) {
                    removeKey(tables, removed, key, stood);
                    remove(removed, at, stood);
                    agents.note(key, stood.revision());
                }
            }
            tables.write(removed);
            return Optional.empty();
        }
    }

    /**
     * A recorder of the removed changes that {@link TableReads#isChanged} no longer finds in the versions. For each
     * agent, the recorder writes the newest revision of these changes into the batch of the removal.
     */
    final class Removed {
        private final Tables tables;
        private final Changes batch;
        private final Map<String, Long> noted = new HashMap<>();

        Removed(Tables tables, Changes batch) {
            this.tables = tables;
            this.batch = batch;
        }

        void note(byte[] latestKey, long revision) {
            String[] parts = StateLayout.parts(latestKey);
            byte[] place = StateLayout.removed(parts[0], parts[1]);
            String agent = parts[0] + '\0' + parts[1];
            Long before = noted.get(agent);
            if (before == null) {
                byte[] stored = tables.get(Table.META, place);
                before = stored == null ? 0 : ByteBuffer.wrap(stored).getLong();
            }
            noted.put(agent, Math.max(before, revision));
            if (revision > before) {
                batch.put(Table.META, place, StateLayout.longs(revision));
            }
        }
    }

    private static void remove(Changes removed, byte[] at, Pointer pointer) {
        removed.delete(Table.VERSIONS, at);
        removed.delete(Table.EVENTS, StateLayout.event(pointer.revision(), pointer.place()));
    }

    /** Removes a key's entry in {@code latest} if the newest version of the key is still this deletion. */
    private static void removeKey(Tables tables, Changes removed, byte[] latestKey, Pointer deletion) {
        byte[] latest = tables.get(Table.LATEST, latestKey);
        if (latest != null && Pointer.decode(latest).equals(deletion)) {
            removed.delete(Table.LATEST, latestKey);
        }
    }

    /**
     * Removes some of the remembered answers that have expired; returns whether there may be more.
     *
     * @param nowMicros the elapsed time of the engine
     */
    static boolean ofAnswers(Tables tables, long nowMicros) {
        Changes removed = new Changes();
        try (Scan expiries = tables.scan(Table.REQUESTS, StateLayout.expiriesPrefix())) {
            for (boolean isValid = expiries.seek(StateLayout.expiriesPrefix());
                    isValid && removed.count() < ANSWERS_AT_ONCE;
                    isValid = expiries.next()) {
                byte[] expiry = expiries.key();
                if (StateLayout.expiresAtMicros(expiry) > nowMicros) {
                    break;
                }
                byte[] request = StateLayout.expiring(expiry);
                byte[] answer = tables.get(Table.REQUESTS, request);
                // the same request may have been answered again, with a later expiry
                if (answer != null && StateLayout.answered(answer).expiresAtMicros() <= nowMicros) {
                    removed.delete(Table.REQUESTS, request);
                }
                removed.delete(Table.REQUESTS, expiry);
            }
        }
        tables.write(removed);
        return removed.count() >= ANSWERS_AT_ONCE;
    }

    /**
     * Removes a part of the headers of events up to the floor. Returns the key at which to continue; empty at the end.
     */
    static Optional<byte[]> ofHeaders(Tables tables, byte[] from, long floor) {
        Changes removed = new Changes();
        try (Scan events = tables.scan(Table.EVENTS, new byte[0])) {
            int looked = 0;
            for (boolean isValid = events.seek(from); isValid; isValid = events.next()) {
                ByteBuffer key = ByteBuffer.wrap(events.key());
                long revision = key.getLong();
                if (revision > floor) {
                    break;
                }
                if (removed.count() == AT_ONCE || looked++ >= EXAMINED_AT_ONCE) {
                    tables.write(removed);
                    return Optional.of(events.key());
                }
                if (key.getInt() == 0) {
                    removed.delete(Table.EVENTS, events.key());
                }
            }
            tables.write(removed);
            return Optional.empty();
        }
    }

    /**
     * A removal of the changes of a namespace, with their versions, up to a revision. The number of remaining changes
     * is stored in the headers of the events.
     */
    record Trim(String namespace, long upTo) implements Removal {
        @Override
        public Optional<byte[]> some(Tables tables, byte[] from) {
            Changes removed = new Changes();
            try (Scan events = tables.scan(Table.EVENTS, new byte[0])) {
                Removed agents = new Removed(tables, removed);
                long revision = 0;
                Header header = null;
                int less = 0;
                int looked = 0;
                byte[] next = null;
                for (boolean isValid = events.seek(from); isValid; isValid = events.next()) {
                    ByteBuffer key = ByteBuffer.wrap(events.key());
                    long of = key.getLong();
                    int place = key.getInt();
                    if (of != revision) {
                        putHeader(removed, revision, header, less);
                        revision = of;
                        header = null;
                        less = 0;
                        if (of > upTo || removed.count() >= AT_ONCE || looked >= EXAMINED_AT_ONCE) {
                            next = of > upTo ? null : events.key();
                            break;
                        }
                    }
                    looked++;
                    if (place == 0) {
                        header = Header.decode(events.value());
                    } else if (remove(tables, removed, agents, revision, place, events.value())) {
                        less++;
                    }
                }
                putHeader(removed, revision, header, less);
                tables.write(removed);
                return Optional.ofNullable(next);
            }
        }

        private static void putHeader(Changes removed, long revision, @Nullable Header header, int less) {
            if (header != null && less > 0) {
                removed.put(
                        Table.EVENTS,
                        StateLayout.event(revision, 0),
                        new Header(header.committedAtMicros(), header.total(), header.kept() - less).encode());
            }
        }

        private boolean remove(Tables tables, Changes removed, Removed agents, long revision, int place, byte[] value) {
            Change change = StateLayout.change(value);
            if (!change.key().namespace().equals(namespace)) {
                return false;
            }
            byte[] latestKey = StateLayout.latest(change.key());
            byte[] latest = tables.get(Table.LATEST, latestKey);
            Pointer newest = latest == null ? null : Pointer.decode(latest);
            if (newest != null && newest.isAt(revision, place)) {
                removed.delete(Table.LATEST, latestKey);
                if (newest.expiresAtMicros() != 0) {
                    removed.delete(Table.REQUESTS, StateLayout.lifetime(newest.expiresAtMicros(), latestKey));
                }
            }
            agents.note(latestKey, revision);
            removed.delete(Table.VERSIONS, StateLayout.version(change.key(), revision, place));
            removed.delete(Table.EVENTS, StateLayout.event(revision, place));
            return true;
        }
    }
}
