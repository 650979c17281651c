// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.embedded.Layout.Header;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.CompressionType;
import org.rocksdb.DBOptions;
import org.rocksdb.InfoLogLevel;
import org.rocksdb.LRUCache;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.WALRecoveryMode;
import org.rocksdb.WriteOptions;

/** An open RocksDB with the families of {@link Layout}. Must not be used after it is closed. */
final class Database implements AutoCloseable {
    private static final long MEMTABLES_BYTES = 64L << 20;
    private static final long LOGS_BYTES = 128L << 20;
    private static final int FILTER_BITS_PER_KEY = 10;
    private static final List<String> FAMILIES = List.of("default", "events", "latest", "versions", "requests");

    private final LRUCache cache;
    private final BloomFilter filter = new BloomFilter(FILTER_BITS_PER_KEY, false);
    private final ColumnFamilyOptions familyOptions;
    private final DBOptions options;
    private final List<ColumnFamilyHandle> families = new ArrayList<>();
    private final RocksDB rocks;
    /** The options of writes that are on disk when they return. */
    private final WriteOptions forced = new WriteOptions().setSync(true);

    private final WriteOptions unforced = new WriteOptions();

    /** @throws RocksDBException also if files are missing or damaged */
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
                // the default mode silently drops answered commits after a damaged byte
                .setWalRecoveryMode(WALRecoveryMode.TolerateCorruptedTailRecords)
                .setDbWriteBufferSize(MEMTABLES_BYTES)
                .setMaxTotalWalSize(LOGS_BYTES)
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

    /** Returns the options of writes that reach the disk with the next forced one. */
    WriteOptions unforced() {
        return unforced;
    }

    WriteOptions forced() {
        return forced;
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
    byte[] required(ColumnFamilyHandle family, byte[] key, String what) throws RocksDBException {
        byte[] value = rocks.get(family, key);
        if (value == null) {
            throw new IllegalArgumentException(what + " is missing");
        }
        return value;
    }

    /** Returns the time of a revision in microseconds since the epoch. */
    long committedAt(long revision) throws RocksDBException {
        return Header.decode(required(events(), Layout.event(revision, 0), "revision " + revision))
                .committedAtMicros();
    }

    @Override
    public void close() {
        families.forEach(ColumnFamilyHandle::close);
        rocks.close();
        closeOptions();
    }

    private void closeOptions() {
        forced.close();
        unforced.close();
        options.close();
        familyOptions.close();
        filter.close();
        cache.close();
    }
}
