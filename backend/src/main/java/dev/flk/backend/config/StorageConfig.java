// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.program.config.Secret;
import java.nio.file.Path;
import java.time.Duration;

/**
 * The inbox log and the dedup store.
 *
 * @param walDir directory of the log's segments
 * @param walRetention how long a closed, decided segment is kept
 * @param walMinFreeBytes with less than this free on the disk nothing new is taken
 * @param dedupTtl how long a recorded outcome stands, from the arrival of its certificate
 */
public record StorageConfig(Path walDir, Duration walRetention, long walMinFreeBytes, Duration dedupTtl, Store store) {

    /** Where outcomes are recorded. */
    public sealed interface Store {}

    /** RocksDB in a directory; survives a restart. */
    public record Embedded(Path dir) implements Store {}

    /**
     * For trials: rebuilt from the log at a start.
     *
     * @param maxEntries full means 503 {@code overloaded}
     */
    public record Memory(long maxEntries) implements Store {}

    /**
     * A Redis server, which other backends may share.
     *
     * @param uri as {@code REDIS_URI}; may hold a password
     * @param timeout how long a call, or a connection, may take
     */
    public record Redis(Secret uri, Duration timeout) implements Store {}

    /** A Postgres server, which several backends may share. */
    public record Postgres(PostgresConfig server) implements Store {}
}
