// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static dev.flk.state.EngineHarness.key;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.testing.PostgresServer;
import dev.flk.state.postgres.PostgresStorage;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Find looks documents up by their index, where few of many match. */
class FindPlanTest {
    private static final int KEYS = 20_000;
    private static final int AT_ONCE = 5_000;

    @Test
    void find_usesTheIndexOfDocuments() throws Exception {
        try (PostgresServer server = PostgresServer.start()) {
            String database = server.newDatabase();
            try (EngineHarness state = new EngineHarness(() -> PostgresStateTest.storage(server, database))) {
                for (int from = 0; from < KEYS; from += AT_ONCE) {
                    state.apply(IntStream.range(from, from + AT_ONCE)
                            .mapToObj(i -> state.write("a", "k" + i, "{\"n\":" + i + "}"))
                            .toArray(Operation[]::new));
                }
                server.execute(database, "ANALYZE");

                assertThat(state.engine
                                .find("default", "", "$.n ? (@ == 77)", null, 10)
                                .entries())
                        .extracting(Storage.Document::key)
                        .containsExactly(key("a", "k77"));
                assertThat(plan(server, database)).contains("Bitmap Index Scan on flk_state_newest_documents");
            }
        }
    }

    private static String plan(PostgresServer server, String database) throws SQLException {
        try (Connection connection = server.connect(database);
                PreparedStatement statement = connection.prepareStatement("EXPLAIN " + PostgresStorage.FIND)) {
            Object[] values = {"default", "", "", "$.n ? (@ == 77)", "", "", 11};
            for (int i = 0; i < values.length; i++) {
                statement.setObject(i + 1, values[i]);
            }
            StringBuilder plan = new StringBuilder();
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    plan.append(rows.getString(1)).append('\n');
                }
            }
            return plan.toString();
        }
    }
}
