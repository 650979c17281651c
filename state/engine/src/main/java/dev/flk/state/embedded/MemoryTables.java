// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.embedded.Tables.Changes.Change;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Tables in memory. Not for several threads. */
final class MemoryTables implements Tables {
    private final Map<Table, NavigableMap<byte[], byte[]>> tables = new EnumMap<>(Table.class);
    private long bytes;

    MemoryTables() {
        for (Table table : Table.values()) {
            tables.put(table, new TreeMap<>(Arrays::compareUnsigned));
        }
    }

    private NavigableMap<byte[], byte[]> of(Table table) {
        return Objects.requireNonNull(tables.get(table));
    }

    @Override
    public byte @Nullable [] get(Table table, byte[] key) {
        return of(table).get(key);
    }

    @Override
    public int length(Table table, byte[] key) {
        byte[] value = of(table).get(key);
        return value == null ? -1 : value.length;
    }

    @Override
    public Scan scan(Table table, byte[] prefix) {
        return new MapScan(of(table), prefix);
    }

    private static final class MapScan implements Scan {
        private final NavigableMap<byte[], byte[]> map;
        private final byte[] prefix;
        private Map.@Nullable Entry<byte[], byte[]> at;

        MapScan(NavigableMap<byte[], byte[]> map, byte[] prefix) {
            this.map = map;
            this.prefix = prefix;
        }

        @Override
        public boolean seek(byte[] from) {
            return moveTo(map.ceilingEntry(from));
        }

        @Override
        public boolean next() {
            return moveTo(map.higherEntry(key()));
        }

        private boolean moveTo(Map.@Nullable Entry<byte[], byte[]> entry) {
            at = entry;
            return entry != null && StateLayout.startsWith(entry.getKey(), prefix);
        }

        @Override
        public byte[] key() {
            return Objects.requireNonNull(at, "at a key").getKey();
        }

        @Override
        public byte[] value() {
            return Objects.requireNonNull(at, "at a key").getValue();
        }

        @Override
        public void close() {
            // no resources to release
        }
    }

    @Override
    public byte @Nullable [] lastKey(Table table) {
        return of(table).isEmpty() ? null : of(table).lastKey();
    }

    @Override
    public void write(Changes changes) {
        for (Change change : changes.all()) {
            byte[] value = change.value();
            byte[] before = value == null
                    ? of(change.table()).remove(change.key())
                    : of(change.table()).put(change.key(), value);
            bytes += bytes(change.key(), value) - bytes(change.key(), before);
        }
    }

    private static long bytes(byte[] key, byte @Nullable [] value) {
        return value == null ? 0 : key.length + value.length;
    }

    int size(Table table) {
        return of(table).size();
    }

    /** Returns the size of all keys and values. */
    long bytes() {
        return bytes;
    }
}
