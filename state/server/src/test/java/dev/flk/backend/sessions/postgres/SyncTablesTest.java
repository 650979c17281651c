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
}
