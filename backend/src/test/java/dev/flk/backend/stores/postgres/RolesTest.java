// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.outcomes.rows.PostgresRows;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.testkit.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * Tests of the script deploy/postgres/roles.sql: the owner migrates the tables; the backend's role reads and writes
 * them, but owns nothing.
 */
class RolesTest {
    private final PostgresServer server = PostgresServer.shared();
    private final String database = server.newDatabase();

    @Test
    void roles_haveLeastPrivileges() throws IOException, SQLException {
        String script = Files.readString(Path.of("../deploy/postgres/roles.sql"));
        server.execute(
                database,
                Arrays.stream(script.split("\n"))
                        .filter(line -> !line.startsWith("\\"))
                        .collect(Collectors.joining("\n"))
                        .replace(":'owner_password'", "'o'")
                        .replace(":'backend_password'", "'b'"));
        PostgresConfig owner = config("flk_owner", "o");
        PostgresConfig backend = config("flk_backend", "b");

        assertThatThrownBy(() -> Schema.DEDUP.migrate(backend)).hasMessageContaining("CREATE on schema flk");
        assertThat(Schema.DEDUP.migrate(owner)).isEqualTo("2");
        assertThat(Schema.RECORD.migrate(owner)).isEqualTo("3");
        assertThat(Schema.DEDUP.migrate(backend)).as("nothing is left to do").isEqualTo("2");

        try (PostgresRows rows =
                new PostgresRows(new PostgresPool(backend, PoolMetrics.unobserved(Pool.RECORD)), new Random())) {
            rows.reopen(); // without the right to remove the tables of before
        }
        try (Connection connection = DriverManager.getConnection(backend.jdbcUrl(), "flk_backend", "b");
                Statement statement = connection.createStatement()) {
            assertThat(statement.executeUpdate("INSERT INTO flk_positions VALUES ('log', 1, 't')"))
                    .isOne();
            assertThat(statement.executeUpdate("DELETE FROM flk_positions")).isOne();
            assertThat(server.number(database, """
                    SELECT count(*) FROM pg_tables,
                        LATERAL unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS right_to
                    WHERE schemaname = 'flk' AND tablename LIKE 'flk@_%' ESCAPE '@'
                        AND NOT has_table_privilege('flk_backend', 'flk.' || tablename, right_to)"""))
                    .as("rights that the backend lacks")
                    .isZero();
            for (String forbidden : new String[] {
                "DROP TABLE flk_positions", "TRUNCATE flk_positions", "CREATE TABLE other (a int)", "CREATE ROLE more"
            }) {
                assertThatThrownBy(() -> statement.execute(forbidden))
                        .as(forbidden)
                        .isInstanceOfSatisfying(
                                SQLException.class,
                                e -> assertThat(e.getSQLState()).isEqualTo("42501"));
            }
        }
    }

    private PostgresConfig config(String user, String password) {
        return PostgresStores.config(
                "jdbc:postgresql://127.0.0.1:" + server.port() + "/" + database,
                user,
                password,
                2,
                Duration.ofSeconds(5));
    }
}
