// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.embedded.StateLayout.Header;
import dev.flk.view.OpenDatabase;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.LRUCache;
import org.rocksdb.ReadOptions;
import org.rocksdb.ReadTier;
import org.rocksdb.RocksDBException;
import org.rocksdb.WALRecoveryMode;
import org.rocksdb.WriteBatch;

/** An open RocksDB with the families of {@link StateLayout}. */
final class Database extends OpenDatabase {
    private static final long MEMTABLES_BYTES = 64L << 20;

    /** A failed read, as an unchecked exception. */
    static final class ReadFailure extends RuntimeException {
        private static final long serialVersionUID = 1;

        private final transient RocksDBException failure;

        ReadFailure(RocksDBException failure) {
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
            List.of("default", "events", "latest", "versions", "requests").forEach(name -> tuning.family(name, tables));
            tuning.database()
                    .setParanoidChecks(true)
                    // this mode matters only for a database of version 0.1, whose commits may still be in RocksDB's own
                    // log; in the default mode, RocksDB would drop all commits after a damaged byte of that log
                    .setWalRecoveryMode(WALRecoveryMode.TolerateCorruptedTailRecords)
                    // after a flush, all families on disk are complete up to the same write
                    .setAtomicFlush(true)
                    .setDbWriteBufferSize(MEMTABLES_BYTES);
        });
    }

    void put(ColumnFamilyHandle family, byte[] key, byte[] value) throws RocksDBException {
        try (WriteBatch batch = new WriteBatch()) {
            batch.put(family, key, value);
            write(batch);
        }
    }

    void delete(ColumnFamilyHandle family, byte[] key) throws RocksDBException {
        try (WriteBatch batch = new WriteBatch()) {
            batch.delete(family, key);
            write(batch);
        }
    }

    byte @Nullable [] get(ColumnFamilyHandle family, byte[] key) {
        try {
            return rocks().get(family, key);
        } catch (RocksDBException e) {
            throw new ReadFailure(e);
        }
    }

    /**
     * Returns the sequence number of the first record of the log whose batch is not in RocksDB's files on disk; 0 if
     * these files contain no position in the log.
     */
    long nextRecordOnDisk() throws RocksDBException {
        try (ReadOptions persisted = new ReadOptions().setReadTier(ReadTier.PERSISTED_TIER)) {
            byte[] next = rocks().get(meta(), persisted, StateLayout.NEXT_RECORD_KEY);
            return next == null ? 0 : ByteBuffer.wrap(next).getLong();
        }
    }

    ColumnFamilyHandle meta() {
        return family(0);
    }

    ColumnFamilyHandle events() {
        return family(1);
    }

    ColumnFamilyHandle latest() {
        return family(2);
    }

    ColumnFamilyHandle versions() {
        return family(3);
    }

    ColumnFamilyHandle requests() {
        return family(4);
    }

    /** @throws IllegalArgumentException if the key is missing */
    byte[] required(ColumnFamilyHandle family, byte[] key, String what) {
        byte[] value = get(family, key);
        if (value == null) {
            throw new IllegalArgumentException(what + " is missing");
        }
        return value;
    }

    /** Returns the time of a revision in microseconds since the epoch. */
    long committedAt(long revision) {
        return Header.decode(required(events(), StateLayout.event(revision, 0), "revision " + revision))
                .committedAtMicros();
    }
}
