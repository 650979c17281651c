// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.MigrationInfo;
import org.flywaydb.core.api.MigrationInfoService;

/**
 * The tables of a store, created and updated by migrations in the first schema of the connection's search path.
 * Backends that migrate concurrently wait for each other; other tables in that schema are not touched.
 *
 * @param history the table of applied migrations
 * @param migrations the location of the scripts on the class path
 * @param turn the number of the advisory lock with which backends take turns; other users of the database are unlikely
 *     to use this number
 */
public record Schema(String history, String migrations, long turn) {
    /** The tables of the dedup store. */
    public static final Schema DEDUP =
            new Schema("flk_schema_history", "dev/flk/backend/outcomes/postgres/schema", 0x666c6b5f64647570L);

    /** The tables of the state. */
    public static final Schema STATE =
            new Schema("flk_state_schema_history", "dev/flk/state/postgres/schema", 0x666c6b5f73746174L);

    /** The durable copy of sessions. */
    public static final Schema SESSIONS =
            new Schema("flk_session_schema_history", "dev/flk/backend/sessions/postgres/schema", 0x666c6b5f73657373L);

    /** The record of outcomes. */
    public static final Schema RECORD =
            new Schema("flk_record_schema_history", "dev/flk/backend/outcomes/postgres/record", 0x666c6b5f72656364L);

    /**
     * The progress of the migrations.
     *
     * @param version the version of the tables; {@code 0} if the tables do not exist
     * @param pending the number of migrations that are missing
     */
    record Progress(String version, int pending) {}

    /** Returns the tables that a pool uses. */
    public static Schema of(Pool pool) {
        return switch (pool) {
            case DEDUP -> DEDUP;
            case STATE -> STATE;
            case SESSIONS -> SESSIONS;
            case RECORD -> RECORD;
        };
    }

    /** Returns how far the tables are migrated; changes nothing. */
    Progress progress(PostgresConnector connector) {
        MigrationInfoService info = flyway(connector).info();
        MigrationInfo current = info.current();
        return new Progress(current == null ? "0" : String.valueOf(current.getVersion()), info.pending().length);
    }

    /**
     * Throws an exception if the server accepts no writes, or if the tables do not exist yet and the user is not
     * allowed to create them. Flyway itself would report either problem only after ten attempts, a second apart.
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

    /** Throws an exception if the database has an encoding that can't hold every text. */
    public static void requireUtf8(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SHOW server_encoding")) {
            if (row.next() && !row.getString(1).equals("UTF8")) {
                throw new SQLException("the database is in " + row.getString(1)
                        + ", which can't hold every text; create one WITH ENCODING 'UTF8'");
            }
        }
    }

    /**
     * Migrates the tables, unless their version is this backend's version or a newer one. An advisory lock admits one
     * backend at a time. Flyway's own lock comes too late: Flyway takes it only after it has decided whether the tables
     * in the schema belong to others. The lock belongs to a transaction, so that no pooler keeps it.
     *
     * @throws FlywayException if a migration failed; each migration is applied completely or not at all
     */
    public void migrate(PostgresConnector connector) throws SQLException {
        try (Connection inTurn = connector.forMigrations().getConnection();
                Statement statement = inTurn.createStatement()) {
            inTurn.setAutoCommit(false);
            statement.execute("SET LOCAL idle_in_transaction_session_timeout = 0");
            statement.execute("SELECT pg_advisory_xact_lock(" + turn + ")");
            flyway(connector).migrate();
        }
    }

    /**
     * Migrates the tables at the request of an operator, as {@link #migrate(PostgresConnector)} does.
     *
     * @return the version of the tables
     * @throws IOException if the migration fails; the message says what to do
     */
    public String migrate(PostgresConfig config) throws IOException {
        PostgresConnector connector = new PostgresConnector(config, PoolMetrics.unobserved(Pool.STATE));
        try (Connection connection = connector.connect()) {
            requireRights(connection);
            migrate(connector);
            return progress(connector).version();
        } catch (SQLException | FlywayException e) {
            throw new IOException(PostgresFailures.of(config).of(e), e);
        }
    }

    private Flyway flyway(PostgresConnector connector) {
        return Flyway.configure()
                .dataSource(connector.forMigrations())
                .locations("classpath:" + migrations)
                .failOnMissingLocations(true)
                .table(history)
                .createSchemas(false)
                .baselineOnMigrate(true)
                .baselineVersion("0")
                .load();
    }
}
