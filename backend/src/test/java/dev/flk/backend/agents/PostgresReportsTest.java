// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents;

import dev.flk.backend.agents.postgres.PostgresReports;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.testkit.PostgresServer;
import java.time.Duration;

final class PostgresReportsTest extends SharedReportsContract {
    private static final PostgresServer server = PostgresServer.shared();

    private final String database = server.newDatabase();

    @Override
    SharedReports open() {
        return new PostgresReports(PostgresStores.config(server, database, Duration.ofSeconds(10)));
    }

    @Override
    void cut() {
        server.execute(
                database,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        + " WHERE datname = current_database() AND pid <> pg_backend_pid()");
    }
}
