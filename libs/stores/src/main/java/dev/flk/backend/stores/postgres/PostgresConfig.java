// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import static dev.flk.program.config.Quantities.count;
import static dev.flk.program.config.Quantities.duration;

import dev.flk.program.config.Key;
import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * The settings of a pool of connections to a Postgres server. Several backends may share the server.
 *
 * @param jdbcUrl the URL without user and password
 * @param user the user; if empty, the account that the backend runs under
 * @param minPoolSize the number of connections that stay open
 * @param maxPoolSize the maximum number of connections
 * @param acquireTimeout the time-out of waiting for a connection, and of connecting
 * @param statementTimeout the time-out of a statement
 * @param idleTimeout the time after which an unused connection above the minimum is closed
 * @param maxLifetime the time after which a connection is replaced
 */
public record PostgresConfig(
        String jdbcUrl,
        String user,
        Secret password,
        int minPoolSize,
        int maxPoolSize,
        TimeLimit acquireTimeout,
        TimeLimit statementTimeout,
        Duration idleTimeout,
        Duration maxLifetime) {
    private static final Duration SHORTEST_STATEMENT = Duration.ofMillis(10);
    private static final Duration SHORTEST_ACQUIRE = Duration.ofMillis(250);
    private static final Duration LONGEST_CALL = Duration.ofMinutes(1);
    private static final Duration SHORTEST_IDLE = Duration.ofSeconds(10);
    private static final Duration SHORTEST_LIFETIME = Duration.ofSeconds(30);
    private static final Duration LONGEST_LIFETIME = Duration.ofDays(1);

    private static final Key<PostgresUri> POSTGRES_CONN = Key.of(
                    "POSTGRES_CONN",
                    PostgresUri::parse,
                    "The Postgres server, such as `postgresql://user:password@host:5432/database`.")
            .mayHoldPassword();
    private static final Key<Integer> POSTGRES_POOL_MIN = Key.of(
                    "POSTGRES_POOL_MIN", count(0, 64), "The connections of each pool to Postgres that stay open.")
            .derived("`POSTGRES_POOL_MAX`");
    private static final Key<Integer> POSTGRES_POOL_MAX = Key.of(
                    "POSTGRES_POOL_MAX", count(2, 64), "The largest number of connections of each pool to Postgres.")
            .or("4");
    private static final Key<Duration> POSTGRES_ACQUIRE_TIMEOUT = Key.of(
                    "POSTGRES_ACQUIRE_TIMEOUT",
                    duration(SHORTEST_ACQUIRE, LONGEST_CALL),
                    "How long a call may wait for a connection to Postgres.")
            .derived("the time-out of a statement");
    private static final Key<Duration> POSTGRES_STATEMENT_TIMEOUT = Key.of(
                    "POSTGRES_STATEMENT_TIMEOUT",
                    duration(SHORTEST_STATEMENT, LONGEST_CALL),
                    "How long a statement may take in Postgres.")
            .derived("`DEDUP_TIMEOUT`; state and record: `3s`");
    private static final Key<Duration> POSTGRES_IDLE_TIMEOUT = Key.of(
                    "POSTGRES_IDLE_TIMEOUT",
                    duration(SHORTEST_IDLE, LONGEST_LIFETIME),
                    "When an unused connection to Postgres above `POSTGRES_POOL_MIN` is closed.")
            .or("10m");
    private static final Key<Duration> POSTGRES_MAX_LIFETIME = Key.of(
                    "POSTGRES_MAX_LIFETIME",
                    duration(SHORTEST_LIFETIME, LONGEST_LIFETIME),
                    "When a connection to Postgres is replaced by a new one.")
            .or("30m");

    /** The settings of the connections, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(
            POSTGRES_CONN,
            POSTGRES_POOL_MIN,
            POSTGRES_POOL_MAX,
            POSTGRES_ACQUIRE_TIMEOUT,
            POSTGRES_STATEMENT_TIMEOUT,
            POSTGRES_IDLE_TIMEOUT,
            POSTGRES_MAX_LIFETIME);

    /**
     * A time-out.
     *
     * @param setting the name of the setting that determines the time, for messages; empty if no setting does
     */
    public record TimeLimit(String setting, Duration time) {
        static TimeLimit of(Settings settings, Key<Duration> key, TimeLimit otherwise) {
            return settings.find(key)
                    .map(time -> new TimeLimit(key.name(), time))
                    .orElse(otherwise);
        }

        /** Returns the time in milliseconds. */
        public long millis() {
            return time.toMillis();
        }

        /** Returns the time with its setting, such as {@code DEDUP_TIMEOUT (1000 ms)}. */
        @Override
        public String toString() {
            return setting.isEmpty() ? millis() + " ms" : setting + " (" + millis() + " ms)";
        }
    }

    /**
     * Reads the settings of a pool.
     *
     * @param usual the time-out of a statement if POSTGRES_STATEMENT_TIMEOUT is not set
     * @param neededBy the setting that requires POSTGRES_CONN; empty if none requires it
     */
    public static PostgresConfig read(Settings settings, TimeLimit usual, Optional<String> neededBy) {
        PostgresUri server = settings.find(POSTGRES_CONN).orElse(new PostgresUri("", "", new Secret("")));
        neededBy.ifPresent(key -> settings.require(
                settings.isGiven(POSTGRES_CONN),
                "POSTGRES_CONN: not set; " + key
                        + "=postgres needs it, like postgresql://user:password@host:5432/database"));
        int max = settings.get(POSTGRES_POOL_MAX);
        int min = settings.find(POSTGRES_POOL_MIN).orElse(max);
        settings.require(
                min <= max,
                "POSTGRES_POOL_MIN: %d is more than POSTGRES_POOL_MAX, which is %d; lower it".formatted(min, max));
        if (min == max) {
            settings.unused("POSTGRES_POOL_MIN is POSTGRES_POOL_MAX", List.of(POSTGRES_IDLE_TIMEOUT));
        }
        TimeLimit statement = TimeLimit.of(settings, POSTGRES_STATEMENT_TIMEOUT, usual);
        return new PostgresConfig(
                server.jdbcUrl(),
                server.user(),
                server.password(),
                min,
                max,
                TimeLimit.of(settings, POSTGRES_ACQUIRE_TIMEOUT, statement),
                statement,
                settings.get(POSTGRES_IDLE_TIMEOUT),
                settings.get(POSTGRES_MAX_LIFETIME));
    }

    /**
     * Returns settings for single connections to a server.
     *
     * @param uri the server, in the form of POSTGRES_CONN
     * @param limit the time-out of a statement, and of connecting
     * @throws IllegalArgumentException if {@code uri} does not have this form
     */
    public static PostgresConfig ofSingleConnections(String uri, TimeLimit limit) {
        PostgresUri server = PostgresUri.parse(uri);
        return new PostgresConfig(
                server.jdbcUrl(),
                server.user(),
                server.password(),
                1,
                1,
                limit,
                limit,
                LONGEST_LIFETIME,
                LONGEST_LIFETIME);
    }

    /** Returns {@code host:port/database}, the part of the URL that contains no secrets. */
    public String server() {
        int query = jdbcUrl.indexOf('?');
        return jdbcUrl.substring(jdbcUrl.indexOf("//") + 2, query < 0 ? jdbcUrl.length() : query);
    }

    @Override
    public String toString() {
        return "Postgres[%s, pool=%d..%d, timeout=%s]"
                .formatted(server(), minPoolSize, maxPoolSize, statementTimeout.time());
    }
}
