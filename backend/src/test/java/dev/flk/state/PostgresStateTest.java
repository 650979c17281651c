// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.backend.postgres.StateConnections;
import dev.flk.backend.testing.PostgresServer;
import dev.flk.program.config.Secret;
import dev.flk.state.postgres.PostgresStorage;
import java.time.Duration;
import java.util.UUID;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What an engine promises, in Postgres. */
class PostgresStateTest extends StateContract {
    private static PostgresServer server;

    private final String database = server.newDatabase();
    private final String empty = server.newDatabase();

    @BeforeAll
    static void startServer() {
        server = PostgresServer.start();
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    static PostgresStorage storage(PostgresServer on, String database) {
        PostgresConfig config = new PostgresConfig(
                "jdbc:postgresql://127.0.0.1:" + on.port() + "/" + database,
                "postgres",
                new Secret(PostgresServer.PASSWORD),
                4,
                Duration.ofSeconds(10));
        return new PostgresStorage(
                new StateConnections(config), () -> UUID.randomUUID().toString());
    }

    @Override
    Supplier<Storage> storages() {
        return () -> storage(server, database);
    }

    @Override
    Storage emptyStorage() {
        return storage(server, empty);
    }

    @Test
    void random() {
        random(0, 30);
    }

    @Test
    @Tag("thorough")
    void random_more() {
        random(30, 270);
    }

    private static void random(long first, long count) {
        RandomStates.run(first, count, seed -> {
            String database = server.newDatabase();
            return () -> storage(server, database);
        });
    }
}
