// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.postgres;

import dev.flk.backend.dedup.StoreUnavailableException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;

/**
 * Makes the tables and brings them up to date, in the first schema of the connection's search path. Backends that do it at the same
 * time wait for each other; tables of others in that schema are left alone.
 */
final class Schema {
    static final String HISTORY = "flk_schema_history";
    private static final String MIGRATIONS = "classpath:dev/flk/backend/dedup/postgres/schema";

    /** Any number that others of the same database are unlikely to lock. */
    private static final long TURN = 0x666c6b5f64647570L;

    private static final String MAY_NOT_CREATE = "SELECT current_schema() WHERE to_regclass('" + HISTORY
            + "') IS NULL AND NOT has_schema_privilege(current_schema(), 'CREATE')";

    private Schema() {}

    /** Says at once what Flyway says after ten tries, a second apart. */
    static void requireRight(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(MAY_NOT_CREATE)) {
            if (row.next()) {
                throw new SQLException("CREATE on schema " + row.getString(1), "42501");
            }
        }
    }

    /**
     * Does nothing where they are up to date, or newer. Backends take turns under a lock of ours: Flyway's own comes too late for the
     * decision whether the tables in the schema are those of others.
     *
     * @throws StoreUnavailableException if that failed; nothing is half done then
     */
    static void migrate(PostgresConnector connector, PostgresFailures failures) throws SQLException {
        try (Connection turn = connector.forMigrations().getConnection();
                Statement statement = turn.createStatement()) {
            statement.execute("SELECT pg_advisory_lock(" + TURN + ")");
            Flyway.configure()
                    .dataSource(connector.forMigrations())
                    .locations(MIGRATIONS)
                    .failOnMissingLocations(true)
                    .table(HISTORY)
                    .createSchemas(false)
                    .baselineOnMigrate(true)
                    .baselineVersion("0")
                    .load()
                    .migrate();
        } catch (FlywayException e) {
            throw failures.migrating(e);
        }
    }
}
