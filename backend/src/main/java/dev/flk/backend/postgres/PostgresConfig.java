// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.postgres;

import static dev.flk.program.config.Quantities.count;

import dev.flk.program.config.Key;
import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * The connection settings of a Postgres server, which several backends may share.
 *
 * @param jdbcUrl the URL without user and password
 * @param user the user; if empty, the account that the backend runs under
 * @param poolSize the maximum number of connections
 * @param timeout the time-out of a statement, and of connecting
 */
public record PostgresConfig(String jdbcUrl, String user, Secret password, int poolSize, Duration timeout) {
    private static final Key<PostgresUri> POSTGRES_CONN = Key.of(
                    "POSTGRES_CONN",
                    PostgresUri::parse,
                    "The Postgres server, such as `postgresql://user:password@host:5432/database`.")
            .mayHoldPassword();
    private static final Key<Integer> POSTGRES_POOL_SIZE = Key.of(
                    "POSTGRES_POOL_SIZE", count(2, 64), "The number of connections to Postgres.")
            .or("4");

    /** The settings of the connections, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(POSTGRES_CONN, POSTGRES_POOL_SIZE);

    /**
     * Reads the connection settings.
     *
     * @param neededBy the setting that requires POSTGRES_CONN; empty if none requires it
     */
    public static PostgresConfig read(Settings settings, Duration timeout, Optional<String> neededBy) {
        PostgresUri server = settings.find(POSTGRES_CONN).orElse(new PostgresUri("", "", new Secret("")));
        neededBy.ifPresent(key -> settings.require(
                settings.isGiven(POSTGRES_CONN),
                "POSTGRES_CONN: not set; " + key
                        + "=postgres needs it, like postgresql://user:password@host:5432/database"));
        return new PostgresConfig(
                server.jdbcUrl(), server.user(), server.password(), settings.get(POSTGRES_POOL_SIZE), timeout);
    }

    /** Returns {@code host:port/database}, the part of the URL that contains no secrets. */
    public String server() {
        int query = jdbcUrl.indexOf('?');
        return jdbcUrl.substring(jdbcUrl.indexOf("//") + 2, query < 0 ? jdbcUrl.length() : query);
    }

    @Override
    public String toString() {
        return "Postgres[%s, poolSize=%d, timeout=%s]".formatted(server(), poolSize, timeout);
    }
}
