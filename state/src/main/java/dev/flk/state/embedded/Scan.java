// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.embedded.Database.ReadFailure;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Slice;

/** An iterator over the keys of a family that begin with a prefix. */
final class Scan implements AutoCloseable {
    private static final byte[] NO_KEY = {};

    private final ReadOptions options = new ReadOptions();
    private final @Nullable Slice bound;
    private final RocksIterator iterator;
    private final byte[] prefix;
    private byte[] key = NO_KEY;

    Scan(Database db, ColumnFamilyHandle family, byte[] prefix) {
        this.prefix = prefix;
        byte[] end = prefix.clone();
        if (end.length > 0) {
            end[end.length - 1]++; // the byte can't overflow, because 0xFF does not occur in UTF-8
            bound = new Slice(end);
            options.setIterateUpperBound(bound);
        } else {
            bound = null;
        }
        iterator = db.rocks().newIterator(family, options);
    }

    /** Moves to the first key at or after {@code from}; returns false if there is no such key. */
    boolean seek(byte[] from) {
        iterator.seek(from);
        return isThere();
    }

    boolean next() {
        iterator.next();
        return isThere();
    }

    /** Returns whether the iterator is at a key with the prefix; throws if the iterator failed. */
    private boolean isThere() {
        boolean isThere = iterator.isValid();
        if (!isThere) {
            try {
                iterator.status();
            } catch (RocksDBException e) {
                throw new ReadFailure(e);
            }
        }
        // the key is kept here, because each call of iterator.key() copies the key out of RocksDB
        key = isThere ? iterator.key() : NO_KEY;
        return isThere && StateLayout.startsWith(key, prefix);
    }

    byte[] key() {
        return key;
    }

    byte[] value() {
        return iterator.value();
    }

    @Override
    public void close() {
        iterator.close();
        options.close();
        if (bound != null) {
            bound.close();
        }
    }
}
