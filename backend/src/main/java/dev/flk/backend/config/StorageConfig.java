// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

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
    private static final Duration SHORTEST_TIMEOUT = Duration.ofMillis(10);
    private static final Duration LONGEST_TIMEOUT = Duration.ofSeconds(60);

    /** Throws {@link InvalidConfig} with every rule that the values break. */
    public StorageConfig {
        new Rules()
                .positive(Key.WAL_RETENTION, walRetention)
                .positive(Key.DEDUP_TTL, dedupTtl)
                .require(
                        walRetention.isZero() || walRetention.compareTo(dedupTtl) >= 0,
                        "WAL_RETENTION: shorter than DEDUP_TTL; the log could not rebuild the store, set it to at least that")
                .require(
                        !(store instanceof Embedded embedded && isInside(embedded.dir(), walDir)),
                        "DEDUP_DIR: is WAL_DIR, or inside it; choose another directory")
                .check();
    }

    private static boolean isInside(Path dir, Path outer) {
        return dir.toAbsolutePath()
                .normalize()
                .startsWith(outer.toAbsolutePath().normalize());
    }

    /** Where outcomes are recorded. */
    public sealed interface Store {}

    /** RocksDB in a directory; survives a restart. */
    public record Embedded(Path dir) implements Store {}

    /**
     * For trials: rebuilt from the log at a start.
     *
     * @param maxEntries full means 503 {@code overloaded}
     */
    public record Memory(long maxEntries) implements Store {
        private static final long MOST_ENTRIES = 100_000_000;

        /** Throws {@link InvalidConfig} unless there is room for an entry. */
        public Memory {
            new Rules()
                    .range(Key.MEMORY_MAX_ENTRIES, maxEntries, 1, MOST_ENTRIES)
                    .check();
        }
    }

    /**
     * A Redis server, which other backends may share.
     *
     * @param uri as {@code REDIS_URI}; may hold a password
     * @param timeout how long a call, or a connection, may take
     */
    public record Redis(Secret uri, Duration timeout) implements Store {
        /** Throws {@link InvalidConfig} for a time-out that is out of range. */
        public Redis {
            new Rules()
                    .range(Key.DEDUP_TIMEOUT, timeout, SHORTEST_TIMEOUT, LONGEST_TIMEOUT)
                    .check();
        }
    }

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
        private static final int MOST_CONNECTIONS = 64;

        /** Throws {@link InvalidConfig} unless there is a connection for either, and time for an answer. */
        public Postgres {
            new Rules()
                    .range(Key.POSTGRES_POOL_SIZE, poolSize, 2, MOST_CONNECTIONS)
                    .range(Key.DEDUP_TIMEOUT, timeout, SHORTEST_TIMEOUT, LONGEST_TIMEOUT)
                    .check();
        }

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
