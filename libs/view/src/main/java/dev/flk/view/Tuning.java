// SPDX-License-Identifier: Apache-2.0
package dev.flk.view;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.rocksdb.AbstractNativeReference;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.CompressionType;
import org.rocksdb.DBOptions;
import org.rocksdb.IndexType;
import org.rocksdb.InfoLogLevel;

/**
 * The settings of a RocksDB and its families. Starts with the settings that all our databases share. Owns the native
 * objects, which must exist as long as the database is open.
 */
public final class Tuning implements AutoCloseable {
    private static final int FILTER_BITS_PER_KEY = 10;

    /** The native objects, the newest first. */
    private final Deque<AbstractNativeReference> owned = new ArrayDeque<>();

    private final List<ColumnFamilyDescriptor> families = new ArrayList<>();
    private final DBOptions database = own(new DBOptions())
            .setCreateIfMissing(true)
            .setCreateMissingColumnFamilies(true)
            .setMaxBackgroundJobs(2)
            .setMaxOpenFiles(512)
            .setInfoLogLevel(InfoLogLevel.WARN_LEVEL)
            .setKeepLogFileNum(3)
            .setStatsDumpPeriodSec(0);

    Tuning() {}

    /** Makes this object close a native object once the database is closed. */
    public <T extends AbstractNativeReference> T own(T object) {
        owned.push(object);
        return object;
    }

    /** Returns the settings that do not belong to a family. */
    public DBOptions database() {
        return database;
    }

    /**
     * Returns settings of tables with a Bloom filter over complete keys. Indices and filters are in the cache, too. Both
     * are partitioned: the filter of a large table would not fit into its part of the cache, and every lookup of an
     * absent key would read it from the disk.
     */
    public BlockBasedTableConfig tables(Cache cache) {
        return new BlockBasedTableConfig()
                .setBlockCache(cache)
                .setFilterPolicy(own(new BloomFilter(FILTER_BITS_PER_KEY, false)))
                // outside the cache, filters and indices would permanently use a few bytes for each key
                .setCacheIndexAndFilterBlocks(true)
                .setCacheIndexAndFilterBlocksWithHighPriority(true)
                .setPinL0FilterAndIndexBlocksInCache(true)
                .setPinTopLevelIndexAndFilter(true)
                .setIndexType(IndexType.kTwoLevelIndexSearch)
                .setPartitionFilters(true)
                .setFormatVersion(6);
    }

    /** Adds a family, and returns its settings. The first family must be {@code default}. */
    public ColumnFamilyOptions family(String name, BlockBasedTableConfig tables) {
        ColumnFamilyOptions options = own(new ColumnFamilyOptions())
                .setCompressionType(CompressionType.LZ4_COMPRESSION)
                .setTableFormatConfig(tables);
        families.add(new ColumnFamilyDescriptor(name.getBytes(StandardCharsets.UTF_8), options));
        return options;
    }

    List<ColumnFamilyDescriptor> families() {
        return families;
    }

    @Override
    public void close() {
        owned.forEach(AbstractNativeReference::close);
    }
}
