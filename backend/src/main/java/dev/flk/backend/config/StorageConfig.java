// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

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

    /**
     * A server that several backends may share.
     *
     * @param jdbcUrl without user and password
     * @param user empty: the name of the account that the backend runs under
     * @param poolSize connections: one for writes, the others for reads
     * @param timeout how long a statement may take, and a connection to come up
     */
    public record Postgres(String jdbcUrl, String user, Secret password, int poolSize, Duration timeout)
            implements Store {

        /** {@code host:port/database}: all of the URL that may be shown, since its parameters may hold secrets, as that of a key file. */
        public String server() {
            int query = jdbcUrl.indexOf('?');
            return jdbcUrl.substring(jdbcUrl.indexOf("//") + 2, query < 0 ? jdbcUrl.length() : query);
        }

        @Override
        public String toString() {
            return "Postgres[%s, poolSize=%d, timeout=%s]".formatted(server(), poolSize, timeout);
        }
    }
}
