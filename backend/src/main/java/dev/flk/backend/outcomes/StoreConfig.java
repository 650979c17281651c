// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static dev.flk.program.config.Quantities.count;
import static dev.flk.program.config.Quantities.oneOf;

import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConfig.TimeLimit;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The store in which outcomes are recorded, chosen by {@code DEDUP_BACKEND}. */
public sealed interface StoreConfig {
    Key<Kind> DEDUP_BACKEND = Key.of("DEDUP_BACKEND", oneOf(Kind.class), "`embedded`, `memory`, `redis` or `postgres`.")
            .or("embedded");
    Key<Path> DEDUP_DIR = Key.of(
                    "DEDUP_DIR", Quantities::path, "Directory of the embedded store and the embedded record.")
            .or("data/dedup");
    Key<Long> MEMORY_MAX_ENTRIES = Key.of(
                    "MEMORY_MAX_ENTRIES",
                    count(1L, 100_000_000L),
                    "The largest number of outcomes in the memory store.")
            .derived("1000000, at most a 16th of the heap");

    /** The heap size divided by this number is the most that the memory store takes, unless it is configured. */
    int PART_OF_HEAP = 16;

    /** The settings of the stores, in the order of the docs. */
    List<Key<?>> KEYS = List.of(
            DEDUP_BACKEND,
            DEDUP_DIR,
            RedisConfig.DEDUP_TIMEOUT,
            MEMORY_MAX_ENTRIES,
            RedisConfig.REDIS_URI,
            RedisConfig.REDIS_ADDR,
            RedisConfig.REDIS_CLUSTER,
            RedisConfig.REDIS_TAG);

    /** The values of DEDUP_BACKEND. */
    enum Kind {
        EMBEDDED,
        MEMORY,
        REDIS,
        POSTGRES
    }

    /** Returns whether several backends may share the store, because it is a server of its own. */
    default boolean isShared() {
        return this instanceof Redis || this instanceof Postgres;
    }

    /** A RocksDB store in a directory; the outcomes in it survive a restart. */
    record Embedded(Path dir) implements StoreConfig {}

    /**
     * A store in memory, for trials; it is rebuilt from the log at each start.
     *
     * @param maxEntries the largest number of outcomes; when the store is full, new submissions get 503
     *     {@code overloaded}
     */
    record Memory(long maxEntries) implements StoreConfig {}

    /** A Redis server, which several backends may share. */
    record Redis(RedisConfig server) implements StoreConfig {}

    /** A Postgres server, which several backends may share. */
    record Postgres(PostgresConfig server) implements StoreConfig {}

    /**
     * Reads the settings of the stores, also of those that are not used, so that a mistake in them is reported. If the
     * store is not Redis, the settings of the server are read by {@link #checkUse} instead.
     */
    static StoreConfig read(Settings settings) {
        Path dir = settings.get(DEDUP_DIR);
        long maxEntries = settings.find(MEMORY_MAX_ENTRIES)
                .orElse(Math.min(1_000_000, Runtime.getRuntime().maxMemory() / PART_OF_HEAP / MemoryStore.ENTRY_BYTES));
        Duration timeout = settings.get(RedisConfig.DEDUP_TIMEOUT);
        Kind kind = settings.get(DEDUP_BACKEND);
        String because = "DEDUP_BACKEND is " + kind.name().toLowerCase(Locale.ROOT);
        settings.unused(because, kind == Kind.MEMORY ? List.of() : List.of(MEMORY_MAX_ENTRIES));
        PostgresConfig postgres = PostgresConfig.read(
                settings,
                new TimeLimit("DEDUP_TIMEOUT", timeout),
                kind == Kind.POSTGRES ? Optional.of("DEDUP_BACKEND") : Optional.empty());
        return switch (kind) {
            case EMBEDDED -> new Embedded(dir);
            case MEMORY -> new Memory(maxEntries);
            case REDIS -> new Redis(RedisConfig.read(settings, "DEDUP_BACKEND=redis"));
            case POSTGRES -> new Postgres(postgres);
        };
    }

    /**
     * Reports the settings that no part of the backend uses: of the Redis server, and
     * of the directory, which the record may use as well.
     *
     * @param walDir the directory of the log, in which a directory that is used must not be
     */
    static void checkUse(Settings settings, StoreConfig store, boolean hasEmbeddedRecord, Path walDir) {
        boolean usesDirectory = store instanceof Embedded || hasEmbeddedRecord;
        settings.unused(
                "neither the dedup store nor the record is embedded", usesDirectory ? List.of() : List.of(DEDUP_DIR));
        settings.require(
                !usesDirectory || !absolute(settings.get(DEDUP_DIR)).startsWith(absolute(walDir)),
                "DEDUP_DIR: is WAL_DIR or inside it; choose another directory");
        RedisConfig.KEYS.forEach(settings::find);
        boolean usesRedis = store instanceof Redis;
        settings.unused("DEDUP_BACKEND is not redis", usesRedis ? List.of() : RedisConfig.KEYS);
        settings.unused(
                "DEDUP_BACKEND is neither redis nor postgres",
                usesRedis || store instanceof Postgres ? List.of() : List.of(RedisConfig.DEDUP_TIMEOUT));
    }

    private static Path absolute(Path directory) {
        return directory.toAbsolutePath().normalize();
    }
}
