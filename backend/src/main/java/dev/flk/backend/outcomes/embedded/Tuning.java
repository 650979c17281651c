// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.embedded;

import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.CompressionType;
import org.rocksdb.IndexType;
import org.rocksdb.InfoLogLevel;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.WriteOptions;

/**
 * The settings of RocksDB, for point reads of ids that are mostly absent, values of a few hundred bytes, and little
 * memory. The size of the memtables bounds the number of outcomes that a start must decide again after a crash.
 */
final class Tuning implements AutoCloseable {
    private static final long MEMTABLE_BYTES = 32L << 20;
    private static final long CACHE_BYTES = 96L << 20;
    private static final long ROWS_BYTES = 16L << 20;

    /** The size of the memtable's Bloom filter, as a share of the memtable's size; about 25 bits for each id. */
    private static final double MEMTABLE_FILTER_PART = 0.005;

    private static final double FILTER_BITS_PER_ID = 10;

    private final LRUCache cache = new LRUCache(CACHE_BYTES);
    private final BloomFilter filter = new BloomFilter(FILTER_BITS_PER_ID, false);
    private final LRUCache rows = new LRUCache(ROWS_BYTES);
    private final Options options = new Options()
            .setRowCache(rows)
            .setCreateIfMissing(true)
            .setWriteBufferSize(MEMTABLE_BYTES)
            .setMaxWriteBufferNumber(3)
            .setMemtableWholeKeyFiltering(true)
            .setMemtablePrefixBloomSizeRatio(MEMTABLE_FILTER_PART)
            .setMaxBackgroundJobs(2)
            .setMaxOpenFiles(512)
            .setCompressionType(CompressionType.LZ4_COMPRESSION)
            .setInfoLogLevel(InfoLogLevel.WARN_LEVEL)
            .setKeepLogFileNum(3)
            .setStatsDumpPeriodSec(0)
            .setTableFormatConfig(new BlockBasedTableConfig()
                    .setBlockCache(cache)
                    .setFilterPolicy(filter)
                    // outside the cache, filters and indices would permanently use a few bytes for each id
                    .setCacheIndexAndFilterBlocks(true)
                    .setCacheIndexAndFilterBlocksWithHighPriority(true)
                    .setPinL0FilterAndIndexBlocksInCache(true)
                    .setPinTopLevelIndexAndFilter(true)
                    .setIndexType(IndexType.kTwoLevelIndexSearch)
                    .setPartitionFilters(true)
                    .setFormatVersion(6));

    private final WriteOptions writes = new WriteOptions().setDisableWAL(true);

    WriteOptions writes() {
        return writes;
    }

    Options options() {
        return options;
    }

    @Override
    public void close() {
        writes.close();
        options.close();
        filter.close();
        rows.close();
        cache.close();
    }
}
