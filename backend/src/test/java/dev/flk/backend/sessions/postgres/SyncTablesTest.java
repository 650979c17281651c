// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.postgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.sessions.StoredSession;
import dev.flk.backend.sessions.StoredSession.Kind;
import dev.flk.backend.sessions.postgres.SyncTables.OtherGenerationException;
import dev.flk.backend.sessions.postgres.SyncTables.SyncException;
import dev.flk.backend.sessions.postgres.SyncTables.Unwritten;
import dev.flk.backend.sessions.postgres.SyncTables.Writer;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConfig.TimeLimit;
import dev.flk.testkit.PostgresServer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** Tests of the durable copy of sessions in a real Postgres. */
final class SyncTablesTest {
    private final PostgresServer postgres = PostgresServer.shared();
    private final String database = postgres.newDatabase();
    private final SyncTables tables = tables();

    private SyncTables tables() {
        return new SyncTables(
                PostgresConfig.ofSingleConnections(postgres.uri(database), new TimeLimit("", Duration.ofSeconds(10))),
                PoolMetrics.unobserved(Pool.SESSIONS));
    }

    private static StoredSession live(long version, String json) {
        return new StoredSession("pump", version, Kind.LIVE, 1_000 * version, 9_000_000_000_000L, json);
    }

    @Test
    void write_changeThatIsThereOrOlder_isReportedAsSuperseded() throws Exception {
        try (Writer writer = tables.openWriter()) {
            assertThat(writer.write(0, List.of(live(2, "{\"n\":2}")))).isEqualTo(new Unwritten(0, List.of()));
            assertThat(writer.write(0, List.of(live(1, "{\"n\":1}"), live(2, "{\"n\":2}"), live(3, "{\"n\":3}"))))
                    .isEqualTo(new Unwritten(2, List.of()));
        }
        assertThat(postgres.text(database, "SELECT state FROM sync_sessions")).isEqualTo("{\"n\":3}");
        assertThat(postgres.number(database, "SELECT count(*) FROM sync_events"))
                .isEqualTo(3);
    }

    @Test
    void write_otherChangeWithTheSameVersion_isReportedAsConflicting() throws Exception {
        StoredSession other = live(1, "{\"n\":7}");
        try (Writer writer = tables.openWriter()) {
            Unwritten unused = writer.write(0, List.of(live(1, "{\"n\":1}")));
            assertThat(writer.write(0, List.of(other, live(2, "{\"n\":2}"))))
                    .isEqualTo(new Unwritten(0, List.of(other)));
        }
    }

    @Test
    void write_afterAnotherRestoreHasBegun_isRefused() throws Exception {
        try (Writer writer = tables.openWriter()) {
            assertThat(tables.beginGeneration("one", 0)).isZero(); // no version was given out before the first
            assertThat(tables.beginGeneration("two", 0)).isEqualTo(1);
            assertThat(tables.beginGeneration("two", 0)).isEqualTo(1);
            assertThat(tables.beginGeneration("three", 7)).isEqualTo(8);

            assertThatThrownBy(() -> writer.write(1, List.of(live(1, "{}"))))
                    .isInstanceOf(OtherGenerationException.class);
            assertThat(writer.write(8, List.of(live(1, "{}")))).isEqualTo(new Unwritten(0, List.of()));
        }
    }

    @Test
    void beginGeneration_changesAreBeingWritten_waitsForThem() throws Exception {
        try (Writer writer = tables.openWriter()) {
            Unwritten unused = writer.write(0, List.of(live(1, "{}")));
        }
        try (var open = postgres.connect(database);
                var statement = open.createStatement()) {
            open.setAutoCommit(false);
            statement.execute("SELECT generation FROM sync_generation FOR SHARE"); // as a write does
            SyncTables hasty = new SyncTables(
                    PostgresConfig.ofSingleConnections(
                            postgres.uri(database), new TimeLimit("", Duration.ofMillis(200))),
                    PoolMetrics.unobserved(Pool.SESSIONS));
            assertThatThrownBy(() -> hasty.beginGeneration("one", 0)).hasMessageContaining("a statement took longer");
        }
    }

    @Test
    void write_theGenerationCannotBeRead_isNotTheFaultOfARow() throws Exception {
        postgres.execute(
                database,
                "CREATE ROLE " + database + "_user LOGIN PASSWORD 'x'; GRANT CREATE ON SCHEMA public TO " + database
                        + "_user");
        SyncTables ofAUser = new SyncTables(
                PostgresConfig.ofSingleConnections(
                        postgres.uri(database).replace("postgres:" + PostgresServer.PASSWORD, database + "_user:x"),
                        new TimeLimit("", Duration.ofMillis(500))),
                PoolMetrics.unobserved(Pool.SESSIONS));
        try (Writer writer = ofAUser.openWriter()) {
            Unwritten unused = writer.write(0, List.of(live(1, "{}")));
            try (var open = postgres.connect(database);
                    var statement = open.createStatement()) {
                open.setAutoCommit(false);
                statement.execute("LOCK TABLE sync_generation");
                requireRefused(writer, "a statement took longer");
            }
            postgres.execute(database, "ALTER TABLE sync_generation OWNER TO postgres");
            requireRefused(writer, "permission denied for table sync_generation");
            postgres.execute(database, "DELETE FROM sync_generation");
            postgres.execute(database, "GRANT ALL ON sync_generation TO " + database + "_user");
            requireRefused(writer, "the table sync_generation is empty");
        }
    }

    private static void requireRefused(Writer writer, String message) {
        assertThatThrownBy(() -> writer.write(0, List.of(live(2, "{}"))))
                .isInstanceOfSatisfying(
                        SyncException.class,
                        e -> assertThat(e.isPerhapsOfARow()).isFalse())
                .hasMessageContaining(message);
        assertThatThrownBy(writer::requireAccepting).hasMessageContaining(message);
    }

    @Test
    void write_aPoolerHasMixedUpStatements_isNotTheFaultOfARow() throws Exception {
        try (Writer writer = tables.openWriter()) {
            Unwritten unused = writer.write(0, List.of(live(1, "{}")));
            for (String state : List.of("26000", "42P05")) {
                postgres.execute(database, """
                        CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                        BEGIN RAISE EXCEPTION 'mixed up' USING ERRCODE = '%s'; END $$;
                        CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON sync_events EXECUTE FUNCTION refuse()""".formatted(state));
                requireRefused(writer, "pool_mode=session");
            }
        }
    }

    @Test
    void upgrade_tablesOfABackendWithoutGenerations_theFirstRestoreBeginsAGeneration() throws Exception {
        try (Writer writer = tables.openWriter()) {
            Unwritten unused = writer.write(0, List.of(live(1, "{}")));
        }
        postgres.execute(
                database,
                "DROP TABLE sync_generation; DELETE FROM flk_session_schema_history WHERE version IN ('2', '3')");

        assertThat(tables().beginGeneration("one", 0)).isEqualTo(1);
    }

    /** The statements of a backend that knows the tables of the second migration only. */
    private static final String OLDER_SESSION = """
            INSERT INTO sync_sessions AS old (id, version, kind, state, changed_at, expires_at)
            VALUES ('pump', %1$d, 'live', '{}', to_timestamp(%1$d), to_timestamp(9000000000))
            ON CONFLICT (id) DO UPDATE SET version = excluded.version, kind = excluded.kind, state = excluded.state,
              changed_at = excluded.changed_at, expires_at = excluded.expires_at
            WHERE old.version < excluded.version""";

    private static final String OLDER_EVENT = """
            INSERT INTO sync_events (session_id, version, kind, state, changed_at)
            VALUES ('pump', %1$d, 'live', '{}', to_timestamp(%1$d)) ON CONFLICT DO NOTHING""";
    private static final String OLDER_REMOVAL = """
            DELETE FROM sync_events WHERE ctid = ANY (ARRAY(
              SELECT ctid FROM sync_events WHERE changed_at < now() - make_interval(secs => 1) LIMIT 10))""";

    @Test
    void upgrade_twiceAndAnOlderBackendKeepsWriting_showsTimesAndIdsUnderTheirUsualNames() {
        createTablesOfTwoMigrations();
        writeAsOlderBackend(1);
        tables().openWriter().close();
        writeAsOlderBackend(2);
        postgres.execute(database, "DELETE FROM flk_session_schema_history WHERE version = '3'");
        tables().openWriter().close();
        writeAsOlderBackend(3);

        assertThat(postgres.text(database, """
                WITH recent AS (SELECT * FROM sync_events ORDER BY timestamp DESC LIMIT 10)
                SELECT string_agg(version || ' ' || (timestamp = changed_at), ', ') FROM recent""")).isEqualTo("3 true, 2 true, 1 true");
        assertThat(postgres.text(database, """
                WITH found AS (SELECT * FROM sync_sessions WHERE session_id = 'pump')
                SELECT string_agg(id || ' ' || version, ', ') FROM found""")).isEqualTo("pump 3");
        postgres.execute(database, OLDER_REMOVAL);
        assertThat(postgres.number(database, "SELECT count(*) FROM sync_events"))
                .isZero();
    }

    @Test
    void upgrade_anOlderBackendIsWriting_waitsForIt() throws Exception {
        createTablesOfTwoMigrations();
        CompletableFuture<Void> upgrade;
        try (var open = postgres.connect(database);
                var statement = open.createStatement()) {
            open.setAutoCommit(false);
            statement.execute(OLDER_SESSION.formatted(1));
            upgrade = CompletableFuture.runAsync(() -> tables().openWriter().close());
            while (postgres.number(database, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")
                    == 0) {
                assertThat(upgrade).isNotDone();
            }
            statement.execute(
                    OLDER_EVENT.formatted(1)); // would be a deadlock if the upgrade had locked sync_events first
            open.commit();
        }
        assertThat(upgrade).succeedsWithin(Duration.ofSeconds(60));
        assertThat(postgres.number(database, "SELECT count(*) FROM sync_events WHERE timestamp = to_timestamp(1)"))
                .isEqualTo(1);
    }

    private void createTablesOfTwoMigrations() {
        tables().openWriter().close();
        postgres.execute(database, """
                ALTER TABLE sync_sessions DROP COLUMN session_id; ALTER TABLE sync_events DROP COLUMN "timestamp";
                DELETE FROM flk_session_schema_history WHERE version = '3'""");
    }

    private void writeAsOlderBackend(long version) {
        postgres.execute(database, OLDER_SESSION.formatted(version));
        postgres.execute(database, OLDER_EVENT.formatted(version));
    }
}
