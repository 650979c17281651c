// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.backend.stores.postgres.Schema;
import dev.flk.testkit.PostgresServer;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class SchemaTest {
    private static final PostgresServer server = PostgresServer.shared();

    private String database;

    @BeforeEach
    void newDatabase() {
        database = server.newDatabase();
    }

    private long applied() {
        return server.number(database, "SELECT count(*) FROM flk_schema_history WHERE success AND version = '1'");
    }

    @Test
    void migrate_twice_appliesOnce() {
        migrate(server, database);
        server.execute(database, "INSERT INTO flk_positions VALUES ('log', 1, 'token')");
        migrate(server, database);
        assertThat(applied()).isOne();
        assertThat(server.number(database, "SELECT count(*) FROM flk_positions"))
                .isOne();
    }

    @Test
    void migrate_fromTwoBackendsAtOnce_appliesOnce() throws Exception {
        for (int round = 0; round < 8; round++) {
            newDatabase();
            FutureTask<?> other = new FutureTask<>(() -> migrate(server, database), null);
            new Thread(other).start();
            migrate(server, database);
            other.get();
            assertThat(applied()).isOne();
        }
    }

    @Test
    void migrate_foreignTables_leavesThemAlone() {
        server.execute(database, "CREATE TABLE others (n integer); INSERT INTO others VALUES (7)");
        migrate(server, database);
        assertThat(applied()).isOne();
        assertThat(server.number(database, "SELECT n FROM others")).isEqualTo(7);
    }

    @Test
    void migrate_newerSchema_leavesItAlone() {
        migrate(server, database);
        server.execute(database, """
                INSERT INTO flk_schema_history
                SELECT 99, '99', 'of a later version', type, 'V99__later.sql', checksum, installed_by, now(), 1, true
                FROM flk_schema_history WHERE version = '1'""");
        migrate(server, database);
        assertThat(applied()).isOne();
        assertThat(server.number(database, "SELECT count(*) FROM flk_schema_history WHERE version = '99'"))
                .isOne();
    }

    @Test
    void migrate_tablesOfAnEarlierVersion_refusesAndSaysWhatToDo() {
        migrate(server, database);
        server.execute(database, "UPDATE flk_schema_history SET checksum = checksum + 1 WHERE version = '1'");

        assertThatThrownBy(() -> Schema.DEDUP.migrate(config(server, database)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("the format of an earlier version")
                .hasMessageContaining("name an empty database");
    }

    private static PostgresConfig config(PostgresServer on, String database) {
        return PostgresStores.config(on, database, Duration.ofSeconds(10));
    }

    static void migrate(PostgresServer on, String database) {
        try {
            Schema.DEDUP.migrate(new PostgresConnector(config(on, database), PoolMetrics.unobserved(Pool.DEDUP)));
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }
}
