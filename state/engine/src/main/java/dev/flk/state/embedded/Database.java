// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.embedded.Tables.Changes.Change;
import dev.flk.view.OpenDatabase;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.LRUCache;
import org.rocksdb.ReadOptions;
import org.rocksdb.ReadTier;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WALRecoveryMode;
import org.rocksdb.WriteBatch;

/** Tables in an open RocksDB, one family for each. */
final class Database extends OpenDatabase implements Tables {
    private static final long MEMTABLES_BYTES = 64L << 20;

    private final Map<Table, ColumnFamilyHandle> families = new EnumMap<>(Table.class);

    /** A failure of RocksDB, as an unchecked exception. */
    static final class Failure extends RuntimeException {
        private static final long serialVersionUID = 1;

        private final transient RocksDBException failure;

        Failure(RocksDBException failure) {
            super(failure);
            this.failure = failure;
        }

        RocksDBException failure() {
            return failure;
        }
    }

    /**
     * @throws RocksDBException if RocksDB can't be opened, for example because files are missing or damaged
     */
    Database(Path directory, long cacheBytes) throws RocksDBException {
        super(directory, tuning -> {
            BlockBasedTableConfig tables = tuning.tables(tuning.own(new LRUCache(cacheBytes)));
            for (Table table : Table.values()) {
                tuning.family(table.family, tables);
            }
            tuning.database()
                    .setParanoidChecks(true)
                    // this mode matters only for a database of version 0.1, whose commits may still be in RocksDB's own
                    // log; in the default mode, RocksDB would drop all commits after a damaged byte of that log
                    .setWalRecoveryMode(WALRecoveryMode.TolerateCorruptedTailRecords)
                    // after a flush, all families on disk are complete up to the same write
                    .setAtomicFlush(true)
                    .setDbWriteBufferSize(MEMTABLES_BYTES);
        });
        for (Table table : Table.values()) {
            families.put(table, family(families.size()));
        }
    }

    ColumnFamilyHandle family(Table table) {
        return Objects.requireNonNull(families.get(table));
    }

    @Override
    public byte @Nullable [] get(Table table, byte[] key) {
        try {
            return rocks().get(family(table), key);
        } catch (RocksDBException e) {
            throw new Failure(e);
        }
    }

    @Override
    public int length(Table table, byte[] key) {
        try {
            // copies nothing into the empty array
            return rocks().get(family(table), key, new byte[0]);
        } catch (RocksDBException e) {
            throw new Failure(e);
        }
    }

    @Override
    public Scan scan(Table table, byte[] prefix) {
        return new RocksScan(rocks(), family(table), prefix);
    }

    @Override
    public byte @Nullable [] lastKey(Table table) {
        try (RocksIterator iterator = rocks().newIterator(family(table))) {
            iterator.seekToLast();
            iterator.status();
            return iterator.isValid() ? iterator.key() : null;
        } catch (RocksDBException e) {
            throw new Failure(e);
        }
    }

    /** Makes all changes, or none. They are on disk after the next {@link #flush}. */
    @Override
    public void write(Changes changes) {
        try (WriteBatch batch = new WriteBatch()) {
            add(changes, batch);
            write(batch);
        } catch (RocksDBException e) {
            throw new Failure(e);
        }
    }

    void add(Changes changes, WriteBatch batch) throws RocksDBException {
        for (Change change : changes.all()) {
            byte[] value = change.value();
            if (value == null) {
                batch.delete(family(change.table()), change.key());
            } else {
                batch.put(family(change.table()), change.key(), value);
            }
        }
    }

    /**
     * Returns the sequence number of the first record of the log whose batch is not in RocksDB's files on disk; 0 if
     * these files contain no position in the log.
     */
    long nextRecordOnDisk() throws RocksDBException {
        try (ReadOptions persisted = new ReadOptions().setReadTier(ReadTier.PERSISTED_TIER)) {
            byte[] next = rocks().get(family(Table.META), persisted, StateLayout.NEXT_RECORD_KEY);
            return next == null ? 0 : ByteBuffer.wrap(next).getLong();
        }
    }
}
