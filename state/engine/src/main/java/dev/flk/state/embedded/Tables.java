// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.embedded.StateLayout.Header;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The tables of {@link StateLayout}. Each is ordered by its keys, as unsigned bytes. */
interface Tables {
    enum Table {
        META("default"),
        EVENTS("events"),
        LATEST("latest"),
        VERSIONS("versions"),
        REQUESTS("requests");

        /** The name of the family in RocksDB. */
        final String family;

        Table(String family) {
            this.family = family;
        }
    }

    /** A position in the keys of a table that begin with a prefix. */
    interface Scan extends AutoCloseable {
        /** Moves to the first key at or after {@code from}; returns false if there is no such key. */
        boolean seek(byte[] from);

        /** Moves to the next key; returns false if there is no such key. */
        boolean next();

        byte[] key();

        byte[] value();

        @Override
        void close();
    }

    /** Changes that take effect together, in their order. */
    final class Changes {
        /** @param value the new value; null to delete the key */
        record Change(Table table, byte[] key, byte @Nullable [] value) {}

        private final List<Change> all = new ArrayList<>();

        Changes put(Table table, byte[] key, byte[] value) {
            all.add(new Change(table, key, value));
            return this;
        }

        void delete(Table table, byte[] key) {
            all.add(new Change(table, key, null));
        }

        int count() {
            return all.size();
        }

        List<Change> all() {
            return all;
        }
    }

    /** Returns a value; null if the key is missing. */
    byte @Nullable [] get(Table table, byte[] key);

    /** Returns the length of a value, which is not copied into the heap; -1 if the key is missing. */
    int length(Table table, byte[] key);

    /** Returns a scan of the keys that begin with {@code prefix}. The caller closes the scan. */
    Scan scan(Table table, byte[] prefix);

    /** Returns the last key of a table; null if the table is empty. */
    byte @Nullable [] lastKey(Table table);

    /** Makes all changes, or none. */
    void write(Changes changes);

    /**
     * Returns a value that must exist.
     *
     * @throws IllegalArgumentException if the key is missing
     */
    default byte[] required(Table table, byte[] key, String what) {
        byte[] value = get(table, key);
        if (value == null) {
            throw new IllegalArgumentException(what + " is missing");
        }
        return value;
    }

    /** Returns the time of a revision in microseconds since the epoch. */
    default long committedAt(long revision) {
        return Header.decode(required(Table.EVENTS, StateLayout.event(revision, 0), "revision " + revision))
                .committedAtMicros();
    }
}
