// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.embedded;

import dev.flk.view.Tuning;
import org.rocksdb.CompressionType;
import org.rocksdb.LRUCache;

/**
 * The families of the embedded store, and their settings. The ids are tuned for point reads of ids that are mostly
 * absent, values of a few hundred bytes, and little memory. The size of their memtables bounds the number of outcomes
 * that a start must decide again after a crash.
 */
final class StoreTuning {
    private static final long MEMTABLE_BYTES = 32L << 20;
    private static final long CACHE_BYTES = 96L << 20;
    /** The size of a part of a filter or an index: smaller parts make look-ups of absent ids slower, larger ones misses. */
    private static final int PART_BYTES = 16 << 10;

    private static final long ROWS_MEMTABLE_BYTES = 8L << 20;

    /** The size of the memtable's Bloom filter, as a share of the memtable's size; about 25 bits for each id. */
    private static final double MEMTABLE_FILTER_PART = 0.005;

    private static final double ROWS_FILTER = 0.02;

    private StoreTuning() {}

    static void tune(Tuning tuning) {
        LRUCache cache = tuning.own(new LRUCache(CACHE_BYTES));
        tuning.database()
                // a compaction of the rows, which may be long, leaves a thread to the ids
                .setMaxBackgroundJobs(3);
        tuning.family("default", tuning.tables(cache).setMetadataBlockSize(PART_BYTES))
                .setWriteBufferSize(MEMTABLE_BYTES)
                .setMaxWriteBufferNumber(3)
                .setMemtableWholeKeyFiltering(true)
                .setMemtablePrefixBloomSizeRatio(MEMTABLE_FILTER_PART);
        // RocksDB slows down and stops the writes of all families if one family is behind with its compactions: the
        // rows never do that to the ids
        tuning.family("rows", tuning.tables(cache))
                .setBottommostCompressionType(CompressionType.ZSTD_COMPRESSION)
                .setWriteBufferSize(ROWS_MEMTABLE_BYTES)
                .setMemtableWholeKeyFiltering(true)
                .setMemtablePrefixBloomSizeRatio(ROWS_FILTER)
                .setMaxWriteBufferNumber(4)
                .setLevel0SlowdownWritesTrigger(Integer.MAX_VALUE)
                .setLevel0StopWritesTrigger(Integer.MAX_VALUE)
                .setSoftPendingCompactionBytesLimit(0)
                .setHardPendingCompactionBytesLimit(0);
    }
}
