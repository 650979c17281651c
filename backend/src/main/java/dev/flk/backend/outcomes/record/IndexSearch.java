// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.IndexEntry.Clock;
import dev.flk.backend.outcomes.record.IndexEntry.Scope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;

/** Searches in the database of {@link RecordIndex}. */
final class IndexSearch {
    private IndexSearch() {}

    /**
     * The entries that a query selects from.
     *
     * @param name the agent id or the key id of the scope; empty for all outcomes
     */
    record Selection(Scope scope, Clock clock, String name, Optional<String> verdict, Optional<String> regime) {}

    /**
     * A range of time.
     *
     * @param fromMillis the first time
     * @param toMillis the first time after the range; {@code Long.MAX_VALUE} for no end
     * @param after the {@link IndexEntry#place} of the last entry that was examined for the previous part; null for the
     *     first part
     */
    record Range(long fromMillis, long toMillis, boolean isNewestFirst, byte @Nullable [] after) {
        static final Range EVERYTHING = new Range(Long.MIN_VALUE, Long.MAX_VALUE, false, null);
    }

    /**
     * A part of a result.
     *
     * @param examined the number of entries that were examined for this part
     * @param next the {@link IndexEntry#place} after which the next part begins; null if nothing follows
     */
    record Entries(List<IndexEntry> entries, int examined, byte @Nullable [] next) {}

    /** Returns entries in the order of time, or newest first if the range says so; see {@link RecordIndex#find}. */
    static Entries find(
            RocksDB rocks, Selection selection, Range range, int limit, int maxExamined, Predicate<IndexEntry> wanted)
            throws RocksDBException {
        Comparator<Walk> byPlace = (one, other) -> Arrays.compareUnsigned(one.place(), other.place());
        PriorityQueue<Walk> walks = new PriorityQueue<>(range.isNewestFirst() ? byPlace.reversed() : byPlace);
        List<Walk> all = new ArrayList<>();
        try {
            for (int kind : IndexEntry.kinds(selection.verdict(), selection.regime())) {
                byte[] head =
                        IndexEntry.head(selection.scope(), selection.clock(), IndexEntry.hash(selection.name()), kind);
                Walk walk = new Walk(rocks, head, range);
                all.add(walk);
                if (walk.isThere()) {
                    walks.add(walk);
                }
            }
            List<IndexEntry> entries = new ArrayList<>();
            byte[] last = range.after();
            int examined = 0;
            for (; !walks.isEmpty(); examined++) {
                // the next part begins after the place, so this part must contain all entries at its last place
                boolean isNewPlace =
                        last == null || !Arrays.equals(walks.element().place(), last);
                if (isNewPlace && (entries.size() >= limit || examined >= maxExamined)) {
                    return new Entries(entries, examined, last);
                }
                Walk walk = walks.remove();
                last = walk.place();
                IndexEntry entry = walk.entry();
                if (wanted.test(entry)) {
                    entries.add(entry);
                }
                walk.move();
                if (walk.isThere()) {
                    walks.add(walk);
                }
            }
            return new Entries(entries, examined, null);
        } finally {
            all.forEach(Walk::close);
        }
    }

    /**
     * Returns at most {@code limit} entries whose ids begin with the hex digits {@code prefix}, in the order of ids.
     */
    static List<IndexEntry> withId(RocksDB rocks, String prefix, int limit) throws RocksDBException {
        String end = "f".repeat(2 * IndexEntry.ID_BYTES - prefix.length());
        byte[] last = IndexEntry.idKey(prefix + end);
        List<IndexEntry> entries = new ArrayList<>();
        try (RocksIterator iterator = rocks.newIterator()) {
            for (iterator.seek(IndexEntry.idKey(prefix + "0".repeat(end.length())));
                    iterator.isValid() && entries.size() < limit && Arrays.compareUnsigned(iterator.key(), last) <= 0;
                    iterator.next()) {
                entries.add(IndexEntry.decode(iterator.key(), iterator.value()));
            }
            iterator.status();
        }
        return entries;
    }

    /**
     * An iterator over the entries of one kind in a range. It starts at the oldest of these entries or, if the range is
     * newest first, at the newest.
     */
    private static final class Walk implements AutoCloseable {
        private final RocksIterator iterator;
        private final boolean isNewestFirst;
        private final byte[] low;
        private final byte[] high;
        private final int headBytes;

        Walk(RocksDB rocks, byte[] head, Range range) throws RocksDBException {
            byte[] after = range.after();
            isNewestFirst = range.isNewestFirst();
            headBytes = head.length;
            byte[] from = IndexEntry.join(head, IndexEntry.time(range.fromMillis()));
            byte[] to = head.clone();
            to[to.length - 1]++;
            if (range.toMillis() != Long.MAX_VALUE) {
                to = IndexEntry.join(head, IndexEntry.time(range.toMillis()));
            }
            low = after == null || isNewestFirst ? from : IndexEntry.join(head, IndexEntry.join(after, new byte[1]));
            high = after == null || !isNewestFirst ? to : IndexEntry.join(head, after);
            iterator = rocks.newIterator();
            if (isNewestFirst) {
                iterator.seekForPrev(high);
                if (iterator.isValid() && Arrays.equals(iterator.key(), high)) {
                    iterator.prev();
                }
            } else {
                iterator.seek(low);
            }
            iterator.status();
        }

        boolean isThere() {
            return iterator.isValid()
                    && Arrays.compareUnsigned(iterator.key(), low) >= 0
                    && Arrays.compareUnsigned(iterator.key(), high) < 0;
        }

        byte[] place() {
            byte[] key = iterator.key();
            return Arrays.copyOfRange(key, headBytes, key.length);
        }

        IndexEntry entry() {
            return IndexEntry.decode(iterator.key(), iterator.value());
        }

        void move() throws RocksDBException {
            if (isNewestFirst) {
                iterator.prev();
            } else {
                iterator.next();
            }
            // throws if the iterator has failed; otherwise, a failure would look like the end of the entries
            iterator.status();
        }

        @Override
        public void close() {
            iterator.close();
        }
    }
}
