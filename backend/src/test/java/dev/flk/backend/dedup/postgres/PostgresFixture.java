// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.postgres;

import dev.flk.backend.config.StorageConfig;
import dev.flk.backend.testing.PostgresServer;
import dev.flk.program.config.Secret;
import java.sql.SQLException;
import java.time.Duration;

/** A server of the tests as this package sees it. */
final class PostgresFixture {
    private PostgresFixture() {}

    static StorageConfig.Postgres config(PostgresServer server, String database) {
        return new StorageConfig.Postgres(
                "jdbc:postgresql://127.0.0.1:" + server.port() + "/" + database,
                "postgres",
                new Secret(PostgresServer.PASSWORD),
                2,
                Duration.ofSeconds(10));
    }

    static void migrate(PostgresServer server, String database) {
        try {
            Schema.migrate(
                    new PostgresConnector(config(server, database)),
                    new PostgresFailures(database, Duration.ofSeconds(10)));
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }
}
