// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.RowFormat.Clock;
import dev.flk.backend.outcomes.record.RowFormat.Meta;
import dev.flk.backend.outcomes.record.RowFormat.Scope;
import dev.flk.backend.outcomes.record.RowFormat.StoredPosition;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Snapshot;

/** Reads of {@link EmbeddedRows} at one moment. Must be closed. */
final class RowSearch implements AutoCloseable {
    private final RocksDB rocks;
    private final ColumnFamilyHandle family;
    private final Snapshot moment;
    private final ReadOptions options;

    RowSearch(RocksDB rocks, ColumnFamilyHandle family) {
        this.rocks = rocks;
        this.family = family;
        this.moment = rocks.getSnapshot();
        this.options = new ReadOptions().setSnapshot(moment);
    }

    byte @Nullable [] get(byte[] key) throws RocksDBException {
        return rocks.get(family, options, key);
    }

    Meta meta() throws RocksDBException {
        byte[] value = get(RowFormat.META_KEY);
        return value == null ? Meta.NONE : Meta.decode(value);
    }

    /** Returns the position in a log as it is stored. */
    Optional<StoredPosition> position(String logId) throws RocksDBException {
        byte[] value = get(RowFormat.positionKey(logId));
        return value == null ? Optional.empty() : Optional.of(StoredPosition.decode(logId, value));
    }

    /** Receives a key and a value; returns whether the next one is wanted. */
    interface Visitor {
        boolean visit(byte[] key, byte[] value) throws RocksDBException;
    }

    /** Visits the keys from {@code from}, inclusive, to {@code to}, exclusive, in their order. */
    void scan(byte[] from, byte[] to, Visitor visitor) throws RocksDBException {
        try (RocksIterator iterator = rocks.newIterator(family, options)) {
            for (iterator.seek(from); iterator.isValid(); iterator.next()) {
                byte[] key = iterator.key();
                if (Arrays.compareUnsigned(key, to) >= 0 || !visitor.visit(key, iterator.value())) {
                    return;
                }
            }
            iterator.status(); // throws if the iterator has failed; otherwise, a failure would look like the end
        }
    }

    /** Adds the newest keys of each kind of a shard by arrival to {@code found}, at most {@code most} of a kind. */
    void addNewest(String shard, int most, Map<byte[], byte[]> found) throws RocksDBException {
        byte[] end = RowFormat.times(Scope.SHARD, Clock.RECEIVED, RowFormat.hash(shard), Byte.MAX_VALUE);
        int kindAt = end.length - 1;
        byte[] head = Arrays.copyOf(end, kindAt);
        int kind = -1;
        int left = most;
        try (RocksIterator iterator = rocks.newIterator(family, options)) {
            iterator.seekForPrev(end);
            while (iterator.isValid() && Arrays.equals(Arrays.copyOf(iterator.key(), kindAt), head)) {
                byte[] key = iterator.key();
                left = key[kindAt] == kind ? left : most;
                kind = key[kindAt];
                if (left-- > 0) {
                    found.put(key, iterator.value());
                    iterator.prev();
                } else {
                    iterator.seekForPrev(Arrays.copyOf(key, end.length)); // the newest of the kind before
                }
            }
            iterator.status();
        }
    }

    /** Returns the last key before a key; null if no key is before it. */
    byte @Nullable [] lastBefore(byte[] to) throws RocksDBException {
        try (RocksIterator iterator = rocks.newIterator(family, options)) {
            iterator.seekForPrev(to);
            iterator.status();
            return iterator.isValid() ? iterator.key() : null;
        }
    }

    /**
     * The current versions by time.
     *
     * @param hashes the hashes of the shards or of the key of the scope; a number without a meaning for all versions
     * @param fromMillis the first time
     * @param toMillis the first time after the range; {@code Long.MAX_VALUE} for no end
     * @param after the {@link RowFormat#place} of the last version that was examined for the previous part; null for the
     *     first part
     */
    record Range(
            Scope scope,
            Clock clock,
            List<Long> hashes,
            List<Integer> kinds,
            long fromMillis,
            long toMillis,
            boolean isNewestFirst,
            byte @Nullable [] after) {
        /** Returns the beginnings of the keys, see {@link RowFormat#times}. */
        private List<byte[]> heads() {
            return hashes.stream()
                    .flatMap(hash -> kinds.stream().map(kind -> RowFormat.times(scope, clock, hash, kind)))
                    .toList();
        }
    }

    /** Receives the {@link RowFormat#place} of a version; returns whether the next one is wanted. */
    interface PlaceVisitor {
        boolean visit(byte[] place) throws RocksDBException;
    }

    /** Visits the versions of a range in the order of time, or newest first if the range says so. */
    void byTime(Range range, PlaceVisitor visitor) throws RocksDBException {
        Comparator<Walk> byPlace = (one, other) -> Arrays.compareUnsigned(one.place(), other.place());
        PriorityQueue<Walk> walks = new PriorityQueue<>(range.isNewestFirst() ? byPlace.reversed() : byPlace);
        List<Walk> all = new ArrayList<>();
        try {
            for (byte[] head : range.heads()) {
                Walk walk = new Walk(head, range);
                all.add(walk);
                walk.begin();
                if (walk.isFound()) {
                    walks.add(walk);
                }
            }
            while (!walks.isEmpty()) {
                Walk walk = walks.remove();
                if (!visitor.visit(walk.place())) {
                    return;
                }
                walk.move();
                if (walk.isFound()) {
                    walks.add(walk);
                }
            }
        } finally {
            all.forEach(Walk::close);
        }
    }

    /** An iterator over the versions of one kind in a range. */
    private final class Walk implements AutoCloseable {
        private final RocksIterator iterator;
        private final boolean isNewestFirst;
        private final byte[] low;
        private final byte[] high;
        private final int headBytes;
        private byte[] place = {};
        private boolean isFound;

        Walk(byte[] head, Range range) {
            byte[] after = range.after();
            isNewestFirst = range.isNewestFirst();
            headBytes = head.length;
            byte[] from = RowFormat.join(head, RowFormat.time(range.fromMillis()));
            byte[] to = RowSearch.after(head);
            if (range.toMillis() != Long.MAX_VALUE) {
                to = RowFormat.join(head, RowFormat.time(range.toMillis()));
            }
            low = after == null || isNewestFirst ? from : RowFormat.join(head, RowFormat.join(after, new byte[1]));
            high = after == null || !isNewestFirst ? to : RowFormat.join(head, after);
            iterator = rocks.newIterator(family, options);
        }

        /** Moves to the first version. */
        void begin() throws RocksDBException {
            if (isNewestFirst) {
                iterator.seekForPrev(high);
                if (iterator.isValid() && Arrays.equals(iterator.key(), high)) {
                    iterator.prev();
                }
            } else {
                iterator.seek(low);
            }
            look();
        }

        private void look() throws RocksDBException {
            iterator.status();
            isFound = iterator.isValid();
            if (isFound) {
                byte[] key = iterator.key();
                isFound = Arrays.compareUnsigned(key, low) >= 0 && Arrays.compareUnsigned(key, high) < 0;
                place = isFound ? Arrays.copyOfRange(key, headBytes, key.length) : place;
            }
        }

        boolean isFound() {
            return isFound;
        }

        byte[] place() {
            return place;
        }

        void move() throws RocksDBException {
            if (isNewestFirst) {
                iterator.prev();
            } else {
                iterator.next();
            }
            look();
        }

        @Override
        public void close() {
            iterator.close();
        }
    }

    /**
     * Counts the versions of a range by the bounds of {@link OutcomeRows#count}, the newest first.
     *
     * @param most the maximum number of versions
     * @param count receives the kind of versions, the index of their bounds and their number
     * @return the index of the first bounds from which on all versions are counted
     */
    int count(Range range, long[] bounds, int most, CountVisitor count) throws RocksDBException {
        try (RocksIterator iterator = rocks.newIterator(family, options)) {
            List<Stretch> stretches = new ArrayList<>();
            for (byte[] head : range.heads()) {
                byte[] end = RowFormat.join(head, RowFormat.time(bounds[bounds.length - 1]));
                iterator.seek(RowFormat.join(head, RowFormat.time(bounds[0])));
                if (iterator.isValid() && Arrays.compareUnsigned(iterator.key(), end) < 0) {
                    stretches.add(new Stretch(head, RowFormat.millisBeforeRow(iterator.key())));
                }
            }
            int left = most;
            for (int i = bounds.length - 2; i >= 0; i--) {
                for (Stretch stretch : stretches) {
                    int counted = stretch.oldest() < bounds[i + 1]
                            ? stretch.count(iterator, bounds[i], bounds[i + 1], left)
                            : 0;
                    count.add(stretch.kind(), i, counted);
                    left -= counted;
                    if (left == 0) {
                        return i + 1;
                    }
                }
            }
            iterator.status();
            return 0;
        }
    }

    /** Receives a number of versions of a kind. */
    interface CountVisitor {
        void add(int kind, int bounds, int number);
    }

    /**
     * The keys that begin with {@code head}, the last byte of which is the kind.
     *
     * @param oldest the time of the first key
     */
    private record Stretch(byte[] head, long oldest) {
        int kind() {
            return head[head.length - 1];
        }

        int count(RocksIterator iterator, long from, long to, int most) {
            byte[] end = RowFormat.join(head, RowFormat.time(to));
            int counted = 0;
            for (iterator.seek(RowFormat.join(head, RowFormat.time(from)));
                    counted < most && iterator.isValid() && Arrays.compareUnsigned(iterator.key(), end) < 0;
                    iterator.next()) {
                counted++;
            }
            return counted;
        }
    }

    /** Returns the first key after all keys that begin with {@code head}, whose last byte is not 0xff. */
    static byte[] after(byte[] head) {
        byte[] after = head.clone();
        after[after.length - 1]++;
        return after;
    }

    @Override
    public void close() {
        options.close();
        rocks.releaseSnapshot(moment);
        moment.close();
    }
}
