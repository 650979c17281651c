// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.program.config.Secret;
import java.nio.file.Path;
import java.time.Duration;

/**
 * The settings of the inbox log and the dedup store.
 *
 * @param walDir the directory of the log's segments
 * @param walRetention the time that a closed, decided segment is kept
 * @param walMinFreeBytes the free disk space below which nothing new is accepted
 * @param dedupTtl the time that a recorded outcome is kept, from the arrival of its certificate
 */
public record StorageConfig(Path walDir, Duration walRetention, long walMinFreeBytes, Duration dedupTtl, Store store) {

    /** The store in which outcomes are recorded. */
    public sealed interface Store {}

    /** A RocksDB store in a directory, which survives a restart. */
    public record Embedded(Path dir) implements Store {}

    /**
     * A store in memory, for trials; it is rebuilt from the log at each start.
     *
     * @param maxEntries the capacity; a full store means 503 {@code overloaded}
     */
    public record Memory(long maxEntries) implements Store {}

    /**
     * A Redis server, which other backends may share.
     *
     * @param uri the value of {@code REDIS_URI}, which may contain a password
     * @param timeout the time limit of a call and of connecting
     */
    public record Redis(Secret uri, Duration timeout) implements Store {}

    /** A Postgres server, which several backends may share. */
    public record Postgres(PostgresConfig server) implements Store {}
}
