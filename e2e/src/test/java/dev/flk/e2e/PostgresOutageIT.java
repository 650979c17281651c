// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Postgres killed, paused, emptied, put back to older data, read-only, under traffic. */
final class PostgresOutageIT extends StoreOutages {
    @Override
    StoreServer startStore(Path serverDirectory) {
        return StoreServer.Postgres.start();
    }

    private void execute(String sql) {
        StoreServer.Postgres postgres = (StoreServer.Postgres) store();
        postgres.server().execute("postgres", sql.formatted(postgres.database()));
    }

    @Test
    void readOnly_isAnOutage() throws Exception {
        String disconnect = ";SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%1$s'";
        assertRefusalIsAnOutage(
                () -> execute("ALTER DATABASE %1$s SET default_transaction_read_only = on" + disconnect),
                () -> execute("ALTER DATABASE %1$s RESET default_transaction_read_only"),
                "Error reaching Postgres: ");
    }
}
