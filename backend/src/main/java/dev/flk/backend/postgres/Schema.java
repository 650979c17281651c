// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.postgres;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;

/**
 * Makes tables and brings them up to date, in the first schema of the connection's search path. Backends that do it at the same
 * time wait for each other; tables of others in that schema are left alone.
 *
 * @param history the table of what was applied
 * @param migrations where the scripts are, on the class path
 * @param turn any number that others of the same database are unlikely to lock
 */
public record Schema(String history, String migrations, long turn) {
    /**
     * Refuses a server that takes no writes, and a user who may not make tables: at once what Flyway says after ten tries, a second
     * apart.
     */
    public void requireRights(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            try (ResultSet row = statement.executeQuery("SELECT current_setting('transaction_read_only')")) {
                if (row.next() && row.getString(1).equals("on")) {
                    throw new SQLException("the server is read-only", "25006");
                }
            }
            String mayNotCreate = "SELECT current_schema() WHERE to_regclass('" + history
                    + "') IS NULL AND NOT has_schema_privilege(current_schema(), 'CREATE')";
            try (ResultSet row = statement.executeQuery(mayNotCreate)) {
                if (row.next()) {
                    throw new SQLException("CREATE on schema " + row.getString(1), "42501");
                }
            }
        }
    }

    /**
     * Does nothing where they are up to date, or newer. Backends take turns under a lock of ours: Flyway's own comes too late for the
     * decision whether the tables in the schema are those of others.
     *
     * @throws FlywayException if that failed; nothing is half done then
     */
    public void migrate(PostgresConnector connector) throws SQLException {
        try (Connection inTurn = connector.forMigrations().getConnection();
                Statement statement = inTurn.createStatement()) {
            statement.execute("SELECT pg_advisory_lock(" + turn + ")");
            Flyway.configure()
                    .dataSource(connector.forMigrations())
                    .locations("classpath:" + migrations)
                    .failOnMissingLocations(true)
                    .table(history)
                    .createSchemas(false)
                    .baselineOnMigrate(true)
                    .baselineVersion("0")
                    .load()
                    .migrate();
        }
    }
}
