// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.outcomes.postgres.Statements.PositionRow;
import dev.flk.testkit.PostgresServer;
import java.sql.Connection;
import java.sql.SQLException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Tests of the plans that EXPLAIN shows for the store's statements, on tables that are too large for sequential scans.
 */
final class StatementPlansTest {
    private static Connection connection;

    @BeforeAll
    static void fillTables() throws SQLException {
        PostgresServer server = PostgresServer.shared();
        String database = server.newDatabase();
        SchemaTest.migrate(server, database);
        server.execute(database, """
                INSERT INTO flk_outcomes SELECT sha256(n::text::bytea), 200, 'body', sha256('d'), '0123456789abcdef', n
                FROM generate_series(1, 50000) AS n;
                INSERT INTO flk_positions SELECT n::text, n, n::text FROM generate_series(1, 5000) AS n;
                INSERT INTO flk_evidence SELECT sha256(n::text::bytea), sha256('d'), n FROM generate_series(1, 50000) AS n;
                ANALYZE""");
        connection = server.connect(database);
    }

    @AfterAll
    static void closeConnection() throws SQLException {
        connection.close();
    }

    private static String plan(String sql, Object... parameters) throws SQLException {
        String plan = explained(connection, sql, parameters);
        assertThat(plan).doesNotContain("Seq Scan");
        return plan;
    }

    static String explained(Connection connection, String sql, Object... parameters) throws SQLException {
        return String.join("\n", SqlCalls.query(connection, "EXPLAIN " + sql, row -> row.getString(1), parameters));
    }

    private static Object array(String type, Object[] elements) throws SQLException {
        return connection.createArrayOf(type, elements);
    }

    private static Object ids() throws SQLException {
        byte[][] ids = new byte[100][32];
        for (int i = 0; i < ids.length; i++) {
            ids[i][0] = (byte) i;
        }
        return array("bytea", ids);
    }

    @Test
    void lookUp_group_usesThePrimaryKeys() throws SQLException {
        assertThat(plan(Statements.LOOK_UP, "7", ids(), 1L)).contains("flk_outcomes_pkey", "flk_positions_pkey");
    }

    @Test
    void put_usesThePrimaryKeys() throws SQLException {
        assertThat(plan(
                        Statements.INSERT,
                        "0".repeat(32),
                        array("bytea", new byte[][] {new byte[32]}),
                        array("int2", new Short[] {200}),
                        array("bytea", new byte[][] {new byte[1]}),
                        array("bytea", new byte[][] {new byte[32]}),
                        array("text", new String[] {"0123456789abcdef"}),
                        array("int8", new Long[] {1L}),
                        1L))
                .contains("Conflict Arbiter Indexes: flk_outcomes_pkey");
        assertThat(plan(Statements.STANDING, ids())).contains("flk_outcomes_pkey");
        assertThat(plan(PositionRow.MOVE, 1L, "t", "7", "t")).contains("flk_positions_pkey");
        assertThat(plan(PositionRow.READ, "7")).contains("flk_positions_pkey");
    }

    @Test
    void removal_usesTheIndexesOnExpiry() throws SQLException {
        assertThat(plan(Statements.REMOVE_OUTCOMES, 100L, 500)).contains("flk_outcomes_expiry", "Tid Scan");
        assertThat(plan(Statements.REMOVE_EVIDENCE, 100L, 500)).contains("flk_evidence_expiry", "Tid Scan");
    }

    @Test
    void evidence_usesItsPrimaryKey() throws SQLException {
        assertThat(plan(Statements.LOOK_UP_EVIDENCE, new byte[32], new byte[32], 1L))
                .contains("flk_evidence_pkey");
    }
}
