// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import dev.flk.backend.stores.postgres.PostgresConfig.TimeLimit;
import dev.flk.program.config.Secret;
import dev.flk.testkit.PostgresServer;
import java.time.Duration;

/** Configurations for stores on the Postgres servers of the tests. */
public final class PostgresStores {
    private PostgresStores() {}

    public static PostgresConfig config(PostgresServer server, String database, Duration timeout) {
        return config(server, database, 4, timeout);
    }

    public static PostgresConfig config(PostgresServer server, String database, int connections, Duration timeout) {
        return config(server, database, connections, timeout, timeout);
    }

    /**
     * Returns a configuration with two time-outs.
     *
     * @param acquire the time-out for getting a connection
     * @param statement the time-out of a statement
     */
    public static PostgresConfig config(
            PostgresServer server, String database, int connections, Duration acquire, Duration statement) {
        return config(url(server, database), "postgres", PostgresServer.PASSWORD, connections, acquire, statement);
    }

    /** @param database the name of the database, optionally followed by parameters */
    public static PostgresConfig config(
            PostgresServer server, String database, Duration timeout, String user, String password) {
        return config(url(server, database), user, password, 4, timeout);
    }

    private static String url(PostgresServer server, String database) {
        return "jdbc:postgresql://127.0.0.1:" + server.port() + "/" + database;
    }

    /** Returns a configuration with {@code timeout} as DEDUP_TIMEOUT and the default for all other times. */
    public static PostgresConfig config(String url, String user, String password, int connections, Duration timeout) {
        return config(url, user, password, connections, timeout, timeout);
    }

    private static PostgresConfig config(
            String url, String user, String password, int connections, Duration acquire, Duration statement) {
        return new PostgresConfig(
                url,
                user,
                new Secret(password),
                connections,
                connections,
                new TimeLimit("DEDUP_TIMEOUT", acquire),
                new TimeLimit("DEDUP_TIMEOUT", statement),
                Duration.ofMinutes(10),
                Duration.ofMinutes(30));
    }
}
