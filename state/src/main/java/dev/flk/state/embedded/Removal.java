// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.Event.Change;
import dev.flk.state.embedded.StateLayout.Header;
import dev.flk.state.embedded.StateLayout.Pointer;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/**
 * A removal, in parts, of entries that are no longer retained. Each call of {@link #some} removes one part. The call
 * starts at a key and returns the key at which the next call continues, or empty at the end. No commit runs during a
 * call.
 */
interface Removal {
    int AT_ONCE = 1_000;
    int EXAMINED_AT_ONCE = 10_000;

    Optional<byte[]> some(Database db, byte[] from) throws RocksDBException;

    /**
     * Removes a part of the versions that a compaction to {@code floor} does not retain, with their changes. For each
     * key, a compaction retains the newest version at or below the floor and removes all earlier versions. If the
     * retained version is a deletion, the compaction finally removes the deletion as well, after the earlier versions,
     * so that no deleted value ever reappears.
     *
     * @return the key at which to continue; empty at the end
     */
    static Optional<byte[]> ofVersions(Database db, byte[] from, long floor) throws RocksDBException {
        try (Scan versions = new Scan(db, db.versions(), new byte[0]);
                WriteBatch removed = new WriteBatch()) {
            Removed agents = new Removed(db, removed);
            int looked = 0;
            boolean isThere = versions.seek(from);
            while (isThere) {
                byte[] first = versions.key();
                byte[] key = Arrays.copyOf(first, first.length - StateLayout.PLACE_BYTES);
                if (removed.count() >= AT_ONCE || looked++ >= EXAMINED_AT_ONCE) {
                    db.write(removed);
                    return Optional.of(key);
                }
                byte[] prefix = Arrays.copyOf(first, key.length + 1);
                isThere = versions.seek(StateLayout.version(key, floor, -1));
                if (!isThere || !StateLayout.startsWith(versions.key(), prefix)) {
                    continue; // all versions are later than the floor
                }
                byte[] at = versions.key();
                Pointer stood = Pointer.decode(versions.value());
                while ((isThere = versions.next()) && StateLayout.startsWith(versions.key(), prefix)) {
                    remove(db, removed, versions.key(), Pointer.decode(versions.value()));
                    if (removed.count() >= AT_ONCE) {
                        db.write(removed);
                        return Optional.of(key);
                    }
                }
                if (!stood.exists()) {
                    removeKey(db, removed, key, stood);
                    remove(db, removed, at, stood);
                    agents.note(key, stood.revision());
                }
            }
            db.write(removed);
            return Optional.empty();
        }
    }

    /**
     * A recorder of the removed changes that {@link EmbeddedReads#isChanged} no longer finds in the versions. For each
     * agent, the recorder writes the newest revision of these changes into the batch of the removal.
     */
    final class Removed {
        private final Database db;
        private final WriteBatch batch;
        private final Map<String, Long> noted = new HashMap<>();

        Removed(Database db, WriteBatch batch) {
            this.db = db;
            this.batch = batch;
        }

        void note(byte[] latestKey, long revision) throws RocksDBException {
            String[] parts = StateLayout.parts(latestKey);
            byte[] place = StateLayout.removed(parts[0], parts[1]);
            String agent = parts[0] + '\0' + parts[1];
            Long before = noted.get(agent);
            if (before == null) {
                byte[] stored = db.get(db.meta(), place);
                before = stored == null ? 0 : ByteBuffer.wrap(stored).getLong();
            }
            noted.put(agent, Math.max(before, revision));
            if (revision > before) {
                batch.put(db.meta(), place, StateLayout.longs(revision));
            }
        }
    }

    private static void remove(Database db, WriteBatch removed, byte[] at, Pointer pointer) throws RocksDBException {
        removed.delete(db.versions(), at);
        removed.delete(db.events(), StateLayout.event(pointer.revision(), pointer.place()));
    }

    /** Removes a key's entry in {@code latest} if the newest version of the key is still this deletion. */
    private static void removeKey(Database db, WriteBatch removed, byte[] latestKey, Pointer deletion)
            throws RocksDBException {
        byte[] latest = db.get(db.latest(), latestKey);
        if (latest != null && Pointer.decode(latest).equals(deletion)) {
            removed.delete(db.latest(), latestKey);
        }
    }

    /**
     * Removes a part of the headers of events up to the floor. Returns the key at which to continue; empty at the end.
     */
    static Optional<byte[]> ofHeaders(Database db, byte[] from, long floor) throws RocksDBException {
        try (Scan events = new Scan(db, db.events(), new byte[0]);
                WriteBatch removed = new WriteBatch()) {
            int looked = 0;
            for (boolean isThere = events.seek(from); isThere; isThere = events.next()) {
                ByteBuffer key = ByteBuffer.wrap(events.key());
                long revision = key.getLong();
                if (revision > floor) {
                    break;
                }
                if (removed.count() == AT_ONCE || looked++ >= EXAMINED_AT_ONCE) {
                    db.write(removed);
                    return Optional.of(events.key());
                }
                if (key.getInt() == 0) {
                    removed.delete(db.events(), events.key());
                }
            }
            db.write(removed);
            return Optional.empty();
        }
    }

    /**
     * A removal of the changes of a namespace, with their versions, up to a revision. The number of remaining changes
     * is stored in the headers of the events.
     */
    record Trim(String namespace, long upTo) implements Removal {
        @Override
        public Optional<byte[]> some(Database db, byte[] from) throws RocksDBException {
            try (Scan events = new Scan(db, db.events(), new byte[0]);
                    WriteBatch removed = new WriteBatch()) {
                Removed agents = new Removed(db, removed);
                long revision = 0;
                Header header = null;
                int less = 0;
                int looked = 0;
                byte[] next = null;
                for (boolean isThere = events.seek(from); isThere; isThere = events.next()) {
                    ByteBuffer key = ByteBuffer.wrap(events.key());
                    long of = key.getLong();
                    int place = key.getInt();
                    if (of != revision) {
                        putHeader(db, removed, revision, header, less);
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
                    } else if (remove(db, removed, agents, revision, place, events.value())) {
                        less++;
                    }
                }
                putHeader(db, removed, revision, header, less);
                db.write(removed);
                return Optional.ofNullable(next);
            }
        }

        private static void putHeader(Database db, WriteBatch removed, long revision, @Nullable Header header, int less)
                throws RocksDBException {
            if (header != null && less > 0) {
                removed.put(
                        db.events(),
                        StateLayout.event(revision, 0),
                        new Header(header.committedAtMicros(), header.total(), header.kept() - less).encode());
            }
        }

        private boolean remove(Database db, WriteBatch removed, Removed agents, long revision, int place, byte[] value)
                throws RocksDBException {
            Change change = StateLayout.change(value);
            if (!change.key().namespace().equals(namespace)) {
                return false;
            }
            byte[] latestKey = StateLayout.latest(change.key());
            byte[] latest = db.get(db.latest(), latestKey);
            Pointer newest = latest == null ? null : Pointer.decode(latest);
            if (newest != null && newest.isAt(revision, place)) {
                removed.delete(db.latest(), latestKey);
                if (newest.expiresAtMicros() != 0) {
                    removed.delete(db.requests(), StateLayout.lifetime(newest.expiresAtMicros(), latestKey));
                }
            }
            agents.note(latestKey, revision);
            removed.delete(db.versions(), StateLayout.version(change.key(), revision, place));
            removed.delete(db.events(), StateLayout.event(revision, place));
            return true;
        }
    }
}
