// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents.postgres;

import dev.flk.backend.agents.SharedReports;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.backend.stores.postgres.PostgresFailures;
import dev.flk.backend.stores.postgres.Schema;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiPredicate;
import org.flywaydb.core.api.FlywayException;
import org.jspecify.annotations.Nullable;

/** The reports in Postgres: the table {@code flk_agents}, with a row for each agent. */
public final class PostgresReports implements SharedReports {
    private static final String PUT = """
            INSERT INTO flk_agents (id, report) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET report = EXCLUDED.report""";
    private static final String PAGE = "SELECT id, report FROM flk_agents WHERE id > ? ORDER BY id LIMIT " + AT_ONCE;
    private static final String REMOVE = "DELETE FROM flk_agents WHERE id = ? AND report = ?";

    private final PostgresConnector connector;
    private final PostgresFailures failures;
    private @Nullable Connection connection;

    /** Creates an object that opens its connection, and creates the tables if they are missing, when it is needed. */
    public PostgresReports(PostgresConfig config) {
        this.connector = new PostgresConnector(config, PoolMetrics.unobserved(Pool.DEDUP));
        this.failures = PostgresFailures.of(config);
    }

    @Override
    public void exchange(Map<String, String> newest, BiPredicate<String, String> reader) {
        try {
            Connection used = connection();
            // the order of the ids, in which two backends never wait for each other
            List<Map.Entry<String, String>> all = List.copyOf(new TreeMap<>(newest).entrySet());
            for (int from = 0; from < all.size(); from += AT_ONCE) {
                List<Map.Entry<String, String>> part = all.subList(from, Math.min(all.size(), from + AT_ONCE));
                int unused = PostgresConnector.commit(used, transaction -> change(transaction, PUT, part));
            }
            Map<String, String> page;
            String after = "";
            do {
                String from = after;
                page = PostgresConnector.commit(used, transaction -> read(transaction, from));
                Map<String, String> old = new TreeMap<>();
                for (Map.Entry<String, String> each : page.entrySet()) {
                    after = each.getKey();
                    if (!reader.test(each.getKey(), each.getValue())) {
                        old.put(each.getKey(), each.getValue());
                    }
                }
                if (!old.isEmpty()) {
                    int unused = PostgresConnector.commit(
                            used, transaction -> change(transaction, REMOVE, List.copyOf(old.entrySet())));
                }
            } while (page.size() == AT_ONCE);
        } catch (SQLException | FlywayException e) {
            close();
            throw new StoreUnavailableException(failures.of(e), e);
        }
    }

    private Connection connection() throws SQLException {
        if (connection == null) {
            Connection opened = connector.connect();
            connection = opened;
            Schema.DEDUP.requireRights(opened);
            Schema.DEDUP.migrate(connector);
        }
        return connection;
    }

    private static int change(Connection connection, String sql, List<Map.Entry<String, String>> reports)
            throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (Map.Entry<String, String> each : reports) {
                statement.setString(1, each.getKey());
                statement.setString(2, each.getValue());
                statement.addBatch();
            }
            return statement.executeBatch().length;
        }
    }

    private static Map<String, String> read(Connection connection, String after) throws SQLException {
        Map<String, String> page = new LinkedHashMap<>();
        try (PreparedStatement statement = connection.prepareStatement(PAGE)) {
            statement.setString(1, after);
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    page.put(rows.getString(1), rows.getString(2));
                }
            }
        }
        return page;
    }

    @Override
    public void close() {
        Connection closed = connection;
        connection = null;
        if (closed != null) {
            try {
                closed.close();
            } catch (SQLException e) {
                // the connection is not used any more
            }
        }
    }
}
