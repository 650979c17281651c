// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.backend.testing.PostgresServer;
import dev.flk.program.config.Secret;
import java.time.Duration;

/** The configuration with which a store reaches a server of the tests. */
public final class PostgresStores {
    private PostgresStores() {}

    public static PostgresConfig config(PostgresServer server, String database, Duration timeout) {
        return config(server, database, timeout, "postgres", PostgresServer.PASSWORD);
    }

    /** @param database the name of the database, perhaps followed by parameters */
    static PostgresConfig config(
            PostgresServer server, String database, Duration timeout, String user, String password) {
        return new PostgresConfig(
                "jdbc:postgresql://127.0.0.1:" + server.port() + "/" + database,
                user,
                new Secret(password),
                4,
                timeout);
    }
}
