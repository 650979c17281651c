// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import static dev.flk.program.config.Quantities.count;
import static dev.flk.program.config.Quantities.matching;
import static dev.flk.program.config.Quantities.oneOf;

import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.backend.postgres.PostgresConfig.TimeLimit;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/** The store in which outcomes are recorded, chosen by {@code DEDUP_BACKEND}. */
public sealed interface StoreConfig {
    Pattern HOST_AND_PORT = Pattern.compile("[^\\s:/]+:[0-9]{1,5}");
    Pattern REDIS_URI_FORM = Pattern.compile(
            "(rediss?|redis\\+(ssl|tls)|redis[-+]socket)://[^\\s#]+|rediss?-sentinel://[^\\s#]+(#[^\\s#]+|[?&]sentinelMasterId=\\S+)");
    Key<Kind> DEDUP_BACKEND = Key.of("DEDUP_BACKEND", oneOf(Kind.class), "`embedded`, `memory`, `redis` or `postgres`.")
            .or("embedded");
    Key<Path> DEDUP_DIR = Key.of("DEDUP_DIR", Quantities::path, "Directory of the embedded store.")
            .or("data/dedup");
    Key<Duration> DEDUP_TIMEOUT = Key.of(
                    "DEDUP_TIMEOUT",
                    Quantities.duration(Duration.ofMillis(10), Duration.ofSeconds(60)),
                    "How long a call to Redis or Postgres may take.")
            .or("1s");
    Key<Long> MEMORY_MAX_ENTRIES = Key.of(
                    "MEMORY_MAX_ENTRIES",
                    count(1L, 100_000_000L),
                    "The largest number of outcomes in the memory store.")
            .or("1000000");
    Key<String> REDIS_URI = Key.of(
                    "REDIS_URI",
                    StoreConfig::redisUri,
                    "The Redis server or its Sentinels, such as `rediss://:password@host:6379`.")
            .mayHoldPassword();
    Key<String> REDIS_ADDR = Key.of(
            "REDIS_ADDR",
            StoreConfig::hostAndPort,
            "The Redis server as `host:port` without a password, instead of `REDIS_URI`.");

    /** The settings of the stores, in the order of the docs. */
    List<Key<?>> KEYS = List.of(DEDUP_BACKEND, DEDUP_DIR, DEDUP_TIMEOUT, MEMORY_MAX_ENTRIES, REDIS_URI, REDIS_ADDR);

    /** The values of DEDUP_BACKEND. */
    enum Kind {
        EMBEDDED,
        MEMORY,
        REDIS,
        POSTGRES
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

    /**
     * A Redis server, which other backends may share.
     *
     * @param uri the URI of the server, which is the value of {@code REDIS_URI} or is built from {@code REDIS_ADDR}; it
     *     can contain a password
     * @param timeout the time limit of each call, and of opening a network connection
     */
    record Redis(Secret uri, Duration timeout) implements StoreConfig {}

    /** A Postgres server, which several backends may share. */
    record Postgres(PostgresConfig server) implements StoreConfig {}

    /**
     * Reads the settings of the stores, also of those that are not used, so that a mistake in them is reported. If the
     * store is not Redis, {@code REDIS_URI} and {@code REDIS_ADDR} are read by {@link #reportUnused} instead.
     *
     * @param walDir the directory of the log, in which the embedded store must not be
     */
    static StoreConfig read(Settings settings, Path walDir) {
        Path dir = settings.get(DEDUP_DIR);
        long maxEntries = settings.get(MEMORY_MAX_ENTRIES);
        Duration timeout = settings.get(DEDUP_TIMEOUT);
        Kind kind = settings.get(DEDUP_BACKEND);
        String because = "DEDUP_BACKEND is " + kind.name().toLowerCase(Locale.ROOT);
        settings.unused(because, kind == Kind.EMBEDDED ? List.of() : List.of(DEDUP_DIR));
        settings.unused(because, kind == Kind.MEMORY ? List.of() : List.of(MEMORY_MAX_ENTRIES));
        PostgresConfig postgres = PostgresConfig.read(
                settings,
                new TimeLimit("DEDUP_TIMEOUT", timeout),
                kind == Kind.POSTGRES ? Optional.of("DEDUP_BACKEND") : Optional.empty());
        return switch (kind) {
            case EMBEDDED -> {
                settings.require(
                        !absolute(dir).startsWith(absolute(walDir)),
                        "DEDUP_DIR: is WAL_DIR or inside it; choose another directory");
                yield new Embedded(dir);
            }
            case MEMORY -> new Memory(maxEntries);
            case REDIS -> redis(settings, "DEDUP_BACKEND=redis");
            case POSTGRES -> new Postgres(postgres);
        };
    }

    /**
     * Reads the settings of the Redis server.
     *
     * @param neededBy the setting and value that need the server
     */
    static Redis redis(Settings settings, String neededBy) {
        Optional<String> uri = settings.find(REDIS_URI);
        Optional<String> address = settings.find(REDIS_ADDR);
        boolean isUriGiven = settings.isGiven(REDIS_URI);
        settings.require(
                isUriGiven != settings.isGiven(REDIS_ADDR),
                "REDIS_URI, REDIS_ADDR: %s set, and %s needs one; set exactly one of the two"
                        .formatted(isUriGiven ? "both are" : "none is", neededBy));
        return new Redis(
                new Secret(uri.or(() -> address.map(hostAndPort -> "redis://" + hostAndPort))
                        .orElse("")),
                settings.get(DEDUP_TIMEOUT));
    }

    /**
     * Reads the settings of the Redis server, and reports them as unused if no part of the backend uses the server. If
     * the store is not Postgres either, also reports {@code DEDUP_TIMEOUT} as unused.
     */
    static void reportUnused(Settings settings, StoreConfig store, boolean hasSessionsInRedis) {
        settings.find(REDIS_URI);
        settings.find(REDIS_ADDR);
        boolean usesRedis = store instanceof Redis || hasSessionsInRedis;
        String because = "neither DEDUP_BACKEND nor SESSION_STORE is redis";
        settings.unused(because, usesRedis ? List.of() : List.of(REDIS_URI, REDIS_ADDR));
        settings.unused(
                "DEDUP_BACKEND is neither redis nor postgres, and SESSION_STORE is not redis",
                usesRedis || store instanceof Postgres ? List.of() : List.of(DEDUP_TIMEOUT));
    }

    private static Path absolute(Path directory) {
        return directory.toAbsolutePath().normalize();
    }

    private static String hostAndPort(String text) {
        String matched = matching(HOST_AND_PORT, "not host:port").apply(text);
        int unused = Quantities.port(matched.substring(matched.indexOf(':') + 1));
        return matched;
    }

    private static String redisUri(String text) {
        String otherwise = "not a Redis URI; write it like redis://host:6379, rediss://:password@host:6379 or "
                + "redis-sentinel://host1:26379,host2:26379#primary, with special characters as in %40 for @";
        try {
            URI uri = new URI(matching(REDIS_URI_FORM, otherwise).apply(text));
            String authority = String.valueOf(uri.getRawAuthority());
            if (authority.indexOf('@') != authority.lastIndexOf('@')) {
                // the client would mistake a part of the password for the host
                throw new IllegalArgumentException(otherwise);
            }
            return uri.toString();
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(otherwise, e);
        }
    }
}
