// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.CompressionType;
import org.rocksdb.Env;
import org.rocksdb.InfoLogLevel;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksMemEnv;
import org.rocksdb.Status;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteOptions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The open RocksDB of the index, without a write-ahead log. Must not be used after it is closed. */
final class IndexDatabase implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");
    private static final long MEMTABLE_BYTES = 16L << 20;
    private static final long CACHE_BYTES = 16L << 20;

    private final Env env;
    private final LRUCache cache = new LRUCache(CACHE_BYTES);
    private final Options options;
    private final WriteOptions unlogged = new WriteOptions().setDisableWAL(true);
    private final RocksDB rocks;

    /**
     * Opens the database.
     *
     * @param directory the directory; null for a database in memory
     * @param isDamaged whether a use of the files has shown that they are damaged; an empty database then replaces them
     */
    IndexDatabase(@Nullable Path directory, boolean isDamaged) throws RocksDBException {
        env = directory == null ? new RocksMemEnv(Env.getDefault()) : Env.getDefault();
        options = new Options()
                .setEnv(env)
                .setCreateIfMissing(true)
                .setWriteBufferSize(MEMTABLE_BYTES)
                .setMaxBackgroundJobs(2)
                .setMaxOpenFiles(256)
                .setCompressionType(CompressionType.LZ4_COMPRESSION)
                .setInfoLogLevel(InfoLogLevel.WARN_LEVEL)
                .setKeepLogFileNum(3)
                .setStatsDumpPeriodSec(0)
                .setTableFormatConfig(new BlockBasedTableConfig()
                        .setBlockCache(cache)
                        .setCacheIndexAndFilterBlocks(true)
                        .setPinL0FilterAndIndexBlocksInCache(true)
                        .setFormatVersion(6));
        String path = directory == null ? "/record-index" : directory.toString();
        try {
            if (isDamaged) {
                RocksDB.destroyDB(path, options);
            }
            rocks = openOrReplace(path);
        } catch (RocksDBException e) {
            closeOptions();
            throw e;
        }
    }

    private RocksDB openOrReplace(String path) throws RocksDBException {
        try {
            return RocksDB.open(options, path);
        } catch (RocksDBException e) {
            if (!isDamage(e)) {
                throw e;
            }
            LOG.warn("the index of outcomes in {} is damaged and is built again: {}", path, e.getMessage());
            RocksDB.destroyDB(path, options);
            return RocksDB.open(options, path);
        }
    }

    /** Returns whether an error means that the files of a database are damaged. */
    static boolean isDamage(RocksDBException e) {
        Status status = e.getStatus();
        return status != null && status.getCode() == Status.Code.Corruption;
    }

    RocksDB rocks() {
        return rocks;
    }

    /** Writes a batch, and does not wait for the disk. Batches reach the disk in the order of these calls. */
    void write(WriteBatch batch) throws RocksDBException {
        rocks.write(unlogged, batch);
    }

    @Override
    public void close() {
        rocks.close();
        closeOptions();
    }

    private void closeOptions() {
        unlogged.close();
        options.close();
        cache.close();
        if (env instanceof RocksMemEnv) {
            env.close();
        }
    }
}
