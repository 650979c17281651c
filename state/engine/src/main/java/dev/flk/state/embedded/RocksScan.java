// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.embedded.Database.Failure;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Slice;

/** A scan of a family, as the family was when the scan was created. */
final class RocksScan implements Tables.Scan {
    private static final byte[] NO_KEY = {};

    private final ReadOptions options = new ReadOptions();
    private final @Nullable Slice bound;
    private final RocksIterator iterator;
    private final byte[] prefix;
    private byte[] key = NO_KEY;

    RocksScan(RocksDB rocks, ColumnFamilyHandle family, byte[] prefix) {
        this.prefix = prefix;
        byte[] end = prefix.clone();
        if (end.length > 0) {
            end[end.length - 1]++; // the byte can't overflow, because 0xFF does not occur in UTF-8
            bound = new Slice(end);
            options.setIterateUpperBound(bound);
        } else {
            bound = null;
        }
        iterator = rocks.newIterator(family, options);
    }

    @Override
    public boolean seek(byte[] from) {
        iterator.seek(from);
        return isValid();
    }

    @Override
    public boolean next() {
        iterator.next();
        return isValid();
    }

    /** Returns whether the iterator is at a key with the prefix; throws if the iterator failed. */
    private boolean isValid() {
        boolean isValid = iterator.isValid();
        if (!isValid) {
            try {
                iterator.status();
            } catch (RocksDBException e) {
                throw new Failure(e);
            }
        }
        // the key is kept here, because each call of iterator.key() copies the key out of RocksDB
        key = isValid ? iterator.key() : NO_KEY;
        return isValid && StateLayout.startsWith(key, prefix);
    }

    @Override
    public byte[] key() {
        return key;
    }

    @Override
    public byte[] value() {
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
