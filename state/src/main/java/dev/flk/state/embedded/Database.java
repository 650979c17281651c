// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.embedded.StateLayout.Header;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.CompressionType;
import org.rocksdb.DBOptions;
import org.rocksdb.FlushOptions;
import org.rocksdb.InfoLogLevel;
import org.rocksdb.LRUCache;
import org.rocksdb.ReadOptions;
import org.rocksdb.ReadTier;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.WALRecoveryMode;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;

/**
 * An open RocksDB with the families of {@link StateLayout}. RocksDB's own log is off. The object must not be used after
 * it is closed.
 */
final class Database implements AutoCloseable {
    private static final long MEMTABLES_BYTES = 64L << 20;
    private static final int FILTER_BITS_PER_KEY = 10;
    private static final List<String> FAMILIES = List.of("default", "events", "latest", "versions", "requests");

    private final LRUCache cache;
    private final BloomFilter filter = new BloomFilter(FILTER_BITS_PER_KEY, false);
    private final ColumnFamilyOptions familyOptions;
    private final DBOptions options;
    private final List<ColumnFamilyHandle> families = new ArrayList<>();
    private final RocksDB rocks;
    private final WriteOptions unlogged = new WriteOptions().setDisableWAL(true);
    private final FlushOptions waiting = new FlushOptions().setWaitForFlush(true);
    private final ReadOptions persisted = new ReadOptions().setReadTier(ReadTier.PERSISTED_TIER);

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
        cache = new LRUCache(cacheBytes);
        familyOptions = new ColumnFamilyOptions()
                .setCompressionType(CompressionType.LZ4_COMPRESSION)
                .setTableFormatConfig(new BlockBasedTableConfig()
                        .setBlockCache(cache)
                        .setFilterPolicy(filter)
                        .setCacheIndexAndFilterBlocks(true)
                        .setCacheIndexAndFilterBlocksWithHighPriority(true)
                        .setPinL0FilterAndIndexBlocksInCache(true)
                        .setFormatVersion(6));
        options = new DBOptions()
                .setCreateIfMissing(true)
                .setCreateMissingColumnFamilies(true)
                .setParanoidChecks(true)
                // this mode matters only for a database of version 0.1, whose commits may still be in RocksDB's own
                // log; in the default mode, RocksDB would drop all commits after a damaged byte of that log
                .setWalRecoveryMode(WALRecoveryMode.TolerateCorruptedTailRecords)
                // after a flush, all families on disk are complete up to the same write
                .setAtomicFlush(true)
                .setDbWriteBufferSize(MEMTABLES_BYTES)
                .setMaxBackgroundJobs(2)
                .setMaxOpenFiles(512)
                .setInfoLogLevel(InfoLogLevel.WARN_LEVEL)
                .setKeepLogFileNum(3)
                .setStatsDumpPeriodSec(0);
        List<ColumnFamilyDescriptor> descriptors = FAMILIES.stream()
                .map(name -> new ColumnFamilyDescriptor(name.getBytes(StandardCharsets.US_ASCII), familyOptions))
                .toList();
        try {
            rocks = RocksDB.open(options, directory.toString(), descriptors, families);
        } catch (RocksDBException e) {
            closeOptions();
            throw e;
        }
    }

    RocksDB rocks() {
        return rocks;
    }

    /**
     * Writes a batch, which is on disk after the next {@link #flush}. Batches reach the disk in the order in which they
     * were written.
     */
    void write(WriteBatch batch) throws RocksDBException {
        rocks.write(unlogged, batch);
    }

    void put(ColumnFamilyHandle family, byte[] key, byte[] value) throws RocksDBException {
        rocks.put(family, unlogged, key, value);
    }

    void delete(ColumnFamilyHandle family, byte[] key) throws RocksDBException {
        rocks.delete(family, unlogged, key);
    }

    /** Flushes everything that was written, and blocks until it is on disk. */
    void flush() throws RocksDBException {
        rocks.flush(waiting, families);
    }

    byte @Nullable [] get(ColumnFamilyHandle family, byte[] key) {
        try {
            return rocks.get(family, key);
        } catch (RocksDBException e) {
            throw new ReadFailure(e);
        }
    }

    /**
     * Returns the sequence number of the first record of the log whose batch is not in RocksDB's files on disk; 0 if
     * these files contain no position in the log.
     */
    long nextRecordOnDisk() throws RocksDBException {
        byte[] next = rocks.get(meta(), persisted, StateLayout.NEXT_RECORD_KEY);
        return next == null ? 0 : ByteBuffer.wrap(next).getLong();
    }

    ColumnFamilyHandle meta() {
        return families.get(0);
    }

    ColumnFamilyHandle events() {
        return families.get(1);
    }

    ColumnFamilyHandle latest() {
        return families.get(2);
    }

    ColumnFamilyHandle versions() {
        return families.get(3);
    }

    ColumnFamilyHandle requests() {
        return families.get(4);
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

    @Override
    public void close() {
        families.forEach(ColumnFamilyHandle::close);
        rocks.close();
        closeOptions();
    }

    private void closeOptions() {
        unlogged.close();
        waiting.close();
        persisted.close();
        options.close();
        familyOptions.close();
        filter.close();
        cache.close();
    }
}
