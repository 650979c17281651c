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
        return config(server, database, connections, timeout, "postgres", PostgresServer.PASSWORD);
    }

    /** @param database the name of the database, perhaps followed by parameters */
    static PostgresConfig config(
            PostgresServer server, String database, Duration timeout, String user, String password) {
        return config(server, database, 4, timeout, user, password);
    }

    private static PostgresConfig config(
            PostgresServer server, String database, int connections, Duration timeout, String user, String password) {
        return config(
                "jdbc:postgresql://127.0.0.1:" + server.port() + "/" + database, user, password, connections, timeout);
    }

    /** Returns a configuration with the default times, except for the time-out, which is that of DEDUP_TIMEOUT. */
    public static PostgresConfig config(String url, String user, String password, int connections, Duration timeout) {
        TimeLimit limit = new TimeLimit("DEDUP_TIMEOUT", timeout);
        return new PostgresConfig(
                url,
                user,
                new Secret(password),
                connections,
                connections,
                limit,
                limit,
                Duration.ofMinutes(10),
                Duration.ofMinutes(30));
    }
}
