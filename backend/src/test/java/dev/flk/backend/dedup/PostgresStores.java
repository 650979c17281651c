// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.backend.postgres.PostgresConfig.TimeLimit;
import dev.flk.backend.testing.PostgresServer;
import dev.flk.program.config.Secret;
import java.time.Duration;

/** The configuration with which a store reaches a server of the tests. */
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
     * @param acquire the time-out of waiting for a connection
     * @param statement the time-out of a statement
     */
    public static PostgresConfig config(
            PostgresServer server, String database, int connections, Duration acquire, Duration statement) {
        return config(url(server, database), "postgres", PostgresServer.PASSWORD, connections, acquire, statement);
    }

    /** @param database the name of the database, perhaps followed by parameters */
    static PostgresConfig config(
            PostgresServer server, String database, Duration timeout, String user, String password) {
        return config(url(server, database), user, password, 4, timeout);
    }

    private static String url(PostgresServer server, String database) {
        return "jdbc:postgresql://127.0.0.1:" + server.port() + "/" + database;
    }

    /** Returns a configuration with the default times, except for the time-out, which is that of DEDUP_TIMEOUT. */
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
