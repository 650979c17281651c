// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import static dev.flk.program.metrics.ScrapedText.sample;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.outcomes.PostgresStores;
import dev.flk.backend.stores.postgres.CheckedServer.CheckMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresCheck.Finding;
import dev.flk.backend.stores.postgres.PostgresCheck.Grade;
import dev.flk.backend.stores.postgres.PostgresCheck.Limits;
import dev.flk.program.metrics.Metrics;
import dev.flk.testkit.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.postgresql.PGConnection;

/** Tests each point of the checklist except tls on a server that has the problem which the point detects. */
@Tag("thorough")
class PostgresCheckTest {
    private static final Set<Pool> POOLS = EnumSet.of(Pool.DEDUP, Pool.STATE);

    /** A heading, or an SQL statement in a code block, which is fenced or indented. */
    private static final Pattern HEADING_OR_STATEMENT =
            Pattern.compile("(?m)^##+ (.*)|^(?: {4})?((?:SELECT|EXPLAIN|VACUUM) [^;`]*);");

    private static final Limits USUAL = Limits.standard();
    private static PostgresServer server;
    private final String database = server.newDatabase();
    private final PostgresConfig config = PostgresStores.config(server, database, 4, Duration.ofSeconds(5));
    private final PostgresPool backend = new PostgresPool(config, PoolMetrics.unobserved(Pool.STATE));

    @BeforeAll
    static void start() {
        server = PostgresServer.start(
                "fsync=on",
                "max_connections=40",
                "shared_preload_libraries=pg_stat_statements",
                "autovacuum_naptime=1d",
                "track_io_timing=on");
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    @BeforeEach
    void tables() throws SQLException {
        backend.prepare();
        Schema.DEDUP.migrate(new PostgresConnector(config, PoolMetrics.unobserved(Pool.DEDUP)));
        backend.close();
    }

    @Test
    void healthyServer_passesEachCheck() throws IOException {
        assertThat(check(USUAL, InstantSource.system()).run())
                .allSatisfy(finding ->
                        assertThat(finding.grade()).as(finding.toString()).isIn(Grade.OK, Grade.SKIPPED))
                .filteredOn(finding -> finding.grade() == Grade.SKIPPED)
                .extracting(Finding::point)
                .containsExactly("slow_statements", "backup");
    }

    @Test
    void indexes_equalThoseOfTheMigrations() {
        String created = server.text(database, """
                SELECT string_agg(pg_class.relname, ' ') FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                JOIN pg_class AS t ON t.oid = indrelid
                WHERE t.relname LIKE 'flk\\_%' AND t.relname NOT LIKE '%schema_history'""");
        assertThat(created.split(" "))
                .containsExactlyInAnyOrderElementsOf(POOLS.stream()
                        .flatMap(pool -> TablePoints.indexes(pool).stream())
                        .toList());
    }

    @Test
    void sessions_indexesArePresent() throws IOException, SQLException {
        Schema.SESSIONS.migrate(new PostgresConnector(config, PoolMetrics.unobserved(Pool.SESSIONS)));
        PostgresCheck ofSessions = new PostgresCheck(config, EnumSet.of(Pool.SESSIONS), USUAL, InstantSource.system());
        assertThat(find("indexes", ofSessions).measured()).isEqualTo("all present and valid");
    }

    @Test
    void record_hasTheIndexesOfTheMigrations() throws IOException, SQLException {
        Schema.RECORD.migrate(new PostgresConnector(config, PoolMetrics.unobserved(Pool.RECORD)));
        PostgresCheck ofRecord = new PostgresCheck(config, EnumSet.of(Pool.RECORD), USUAL, InstantSource.system());
        assertThat(find("indexes", ofRecord).measured()).isEqualTo("all present and valid");
        assertThat(find("migrations", ofRecord).measured()).isEqualTo("record at 2");
        assertThat(find("read_time", ofRecord).grade()).isEqualTo(Grade.OK);
        String created = server.text(database, """
                SELECT string_agg(indexname, ' ') FROM pg_indexes
                WHERE tablename LIKE 'flk\\_record%' AND tablename NOT LIKE '%schema_history'""");
        assertThat(created.split(" ")).containsExactlyInAnyOrderElementsOf(TablePoints.indexes(Pool.RECORD));
    }

    @Test
    void missingMigration_isCounted() {
        server.execute(database, "DELETE FROM flk_state_schema_history WHERE version = '1'");
        assertBad("migrations", "state: 1 migration missing");
    }

    @Test
    void noTables_reportMissingMigrationsAndNoReadTime() throws IOException {
        server.execute(database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        assertBad("migrations", "dedup: 1 migration missing, state: 1 migration missing");
        assertThat(find("read_time", check(USUAL, InstantSource.system())).grade())
                .isEqualTo(Grade.UNKNOWN);
    }

    @Test
    void readOnlyServer_isReported() {
        server.execute(database, "ALTER DATABASE " + database + " SET default_transaction_read_only = on");
        assertBad("writable", "the server refuses writes");
    }

    @Test
    void settingsThatLoseCommits_areNamed() {
        server.execute(database, "ALTER DATABASE " + database + " SET synchronous_commit = off");
        assertBad("durability", "synchronous_commit = off");
    }

    @Test
    void connections_backendsNeedMoreThanTheServerHas_areCounted() throws SQLException {
        try (Connection one = named("flk-backend dedup 1@a");
                Connection same = named("flk-backend state 1@a");
                Connection two = named("flk-backend dedup 1@b");
                Connection three = named("flk-backend dedup 2@b")) {
            assertThat(one.isValid(1) && same.isValid(1) && two.isValid(1) && three.isValid(1))
                    .isTrue();
            assertBad("connections", "45 for 3 backends and ");
        }
    }

    @Test
    void busyPool_isNamed() throws SQLException {
        Connection[] busy = new Connection[4];
        for (int i = 0; i < busy.length; i++) {
            busy[i] = named("flk-backend state 7@here");
            busy[i].setAutoCommit(false);
            busy[i].createStatement().execute("SELECT 1");
        }
        assertBad("pool_use", "100 % of 4 connections of flk-backend state 7@here");
        for (Connection connection : busy) {
            connection.close();
        }
    }

    @Test
    void busyPoolThatIsNotChecked_isAmongTheOthers() throws IOException, SQLException {
        PostgresCheck ofSessions = new PostgresCheck(config, EnumSet.of(Pool.SESSIONS), USUAL, InstantSource.system());
        try (Connection busy = named("flk-backend state 7@here");
                Connection more = named("flk-backend dedup 8@there")) {
            for (Connection each : new Connection[] {busy, more}) {
                each.setAutoCommit(false);
                each.createStatement().execute("SELECT 1");
            }
            assertThat(find("pool_use", ofSessions).measured()).isEqualTo("0 % of 4 connections");
            assertThat(find("connections", ofSessions).measured()).startsWith("6 for 1 backend and 2 of others");
        }
    }

    @Test
    void slowServer_isReported() {
        server.execute(database, """
                ALTER TABLE flk_state RENAME TO flk_state_hidden;
                CREATE VIEW flk_state AS SELECT revision FROM flk_state_hidden, pg_sleep(0.11)""");
        assertBad("read_time", "p95 of 20 small reads is 1");
    }

    @Test
    void coldCache_isReported() {
        server.execute(database, "ALTER TABLE flk_positions ALTER token SET STORAGE PLAIN");
        server.execute(database, """
                INSERT INTO flk_positions SELECT i::text, 1, repeat('x', 3000) FROM generate_series(1, 16000) AS i""");
        server.execute(database, "SELECT pg_stat_reset()");
        for (int i = 0; i < 3; i++) {
            server.execute(database, "SELECT count(token) FROM flk_positions");
        }
        await().atMost(PostgresServer.PATIENCE).until(() -> server.number(database, """
                SELECT coalesce(sum(heap_blks_read), 0) FROM pg_statio_user_tables
                WHERE relname = 'flk_positions'""") > 2_000);
        assertBad("cache_hits", " % of ");
    }

    @Test
    void size_isLimitedOnlyOnRequest() throws IOException {
        Finding without = find("size", check(USUAL, InstantSource.system()));
        assertThat(without.grade()).isEqualTo(Grade.OK);
        Limits limits = new Limits(
                Optional.empty(),
                Duration.ofHours(1),
                OptionalLong.of(10_000),
                Duration.ofSeconds(1),
                Duration.ofSeconds(1));
        assertBad("size", "KiB", limits);
    }

    @Test
    void missingAndUnusedIndexes_areNamed() {
        server.execute(database, "DROP INDEX flk_outcomes_expiry");
        assertBad("indexes", "missing or invalid: flk_outcomes_expiry");

        server.execute(database, """
                INSERT INTO flk_positions SELECT i::text, i, 'x' FROM generate_series(1, 60000) AS i;
                CREATE INDEX flk_extra ON flk_positions (complete_up_to)""");
        assertBad("unused_indexes", "flk_extra");
    }

    @Test
    void scansAndDeadRowsOfALargeTable_areNamed() {
        server.execute(database, """
                INSERT INTO flk_evidence
                SELECT sha256(i::text::bytea), sha256('x'), i FROM generate_series(1, 20000) AS i""");
        server.execute(database, "ANALYZE flk_evidence");
        server.execute(database, "DELETE FROM flk_evidence WHERE expires_at_millis <= 10000");
        for (int i = 0; i < 12; i++) {
            server.execute(database, "SELECT count(*) FROM flk_evidence WHERE digest = 'z'");
        }
        await().atMost(PostgresServer.PATIENCE).until(() -> server.number(database, """
                SELECT least(n_dead_tup, 1000 * seq_scan, n_mod_since_analyze) FROM pg_stat_user_tables
                WHERE relname = 'flk_evidence'""") >= 10_000);
        assertBad("sequential_scans", "flk_evidence: ");
        assertBad("dead_rows", "flk_evidence: 50 %");
        assertBad("analyze", "flk_evidence: 10000 rows");
    }

    @Test
    void autovacuumOff_isNamed() {
        server.execute(database, "ALTER TABLE flk_outcomes SET (autovacuum_enabled = false)");
        assertBad("vacuum", "autovacuum is off for flk_outcomes");
    }

    @Test
    void lockHeldByAnIdleTransaction_waiterAndTransactionAreReported() throws Exception {
        try (Connection holder = server.connect(database);
                Connection waiter = server.connect(database);
                Statement holding = holder.createStatement()) {
            holder.setAutoCommit(false);
            holding.execute("LOCK TABLE flk_evidence");
            int pid = holder.unwrap(PGConnection.class).getBackendPID();
            CompletableFuture<Void> waits = CompletableFuture.runAsync(() -> {
                try (Statement statement = waiter.createStatement()) {
                    statement.execute("SELECT count(*) FROM flk_evidence");
                } catch (SQLException e) {
                    throw new IllegalStateException(e);
                }
            });
            Limits soon = new Limits(
                    Optional.empty(), Duration.ZERO, OptionalLong.empty(), Duration.ofMillis(1), Duration.ofMillis(1));
            await().atMost(PostgresServer.PATIENCE)
                    .untilAsserted(() -> assertBad("lock_waits", " waits for " + pid + ",", soon));
            assertBad("idle_transactions", "process " + pid + " of ", soon);
            holder.rollback();
            waits.join();
        }
    }

    @Test
    void slowStatements_areNamed() {
        server.execute(database, "CREATE EXTENSION pg_stat_statements");
        for (int i = 0; i < 10; i++) {
            server.execute(database, "SELECT pg_sleep(0.11) AS flk_slow");
        }
        assertBad("slow_statements", "ms: SELECT pg_sleep($1) AS flk_slow");
        server.execute(database, "DROP EXTENSION pg_stat_statements");
    }

    /** Runs all SQL that {@code docs/postgres.md} shows, except what creates roles and databases. */
    @Test
    void statementsOfThePage_run() throws IOException, SQLException {
        Schema.RECORD.migrate(new PostgresConnector(config, PoolMetrics.unobserved(Pool.RECORD)));
        server.execute(database, "CREATE EXTENSION pg_stat_statements");
        String page = Files.readString(Path.of("../docs/postgres.md"));
        Map<String, Integer> statements = new HashMap<>();
        String heading = "";
        for (MatchResult found : HEADING_OR_STATEMENT.matcher(page).results().toList()) {
            if (found.group(1) != null) {
                heading = found.group(1);
            } else {
                server.execute(database, found.group(2));
                statements.merge(heading, 1, Integer::sum);
            }
        }
        server.execute(database, "DROP EXTENSION pg_stat_statements");

        assertThat(statements)
                .containsOnly(
                        entry("Connections and times", 1),
                        entry("Constraints", 1),
                        entry("Cascades and orphans", 2),
                        entry("Bloat", 1),
                        entry("Vacuum", 3),
                        entry("Slow queries", 5),
                        entry("Lock conflicts", 2),
                        entry("The tables", 2),
                        entry("The record of outcomes", 1));
    }

    @Test
    void replicationSlot_withoutAStandby_isNamed() {
        server.execute(database, "SELECT pg_create_physical_replication_slot('gone', true)");
        server.execute(database, "CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 80000)");
        assertBad("replication", "slot gone is behind by ");
        server.execute(database, "SELECT pg_drop_replication_slot('gone')");
    }

    @Test
    void wrongClock_isReportedWithTheDifference() {
        PostgresCheck early = check(USUAL, () -> Instant.now().minusSeconds(3_600));
        assertBad("clock", "the clock of the server is 3600.0 s fast", early);
    }

    @Test
    void backup_isAsOldAsTheNewestFile(@TempDir Path directory) throws IOException {
        assertBad("backup", directory + " has no files", backup(directory));
        Path old = Files.writeString(directory.resolve("old"), "");
        Files.setLastModifiedTime(old, FileTime.from(Instant.now().minus(Duration.ofHours(30))));
        assertBad("backup", "the newest is 1 d 6 h old", backup(directory));
        assertBad("backup", "the newest is 1 d 6 h old", backup(old));
        Files.writeString(directory.resolve("new"), "");
        assertThat(find("backup", check(backup(directory), InstantSource.system()))
                        .grade())
                .isEqualTo(Grade.OK);
        assertThat(find("backup", check(backup(directory.resolve("none")), InstantSource.system()))
                        .grade())
                .isEqualTo(Grade.UNKNOWN);
    }

    @Test
    void roleWithoutPgMonitor_isToldThatOtherSessionsAreHidden() throws IOException {
        server.execute(database, "CREATE ROLE plain LOGIN PASSWORD 'plain'");
        PostgresConfig plain = PostgresStores.config(
                "jdbc:postgresql://127.0.0.1:" + server.port() + "/" + database,
                "plain",
                "plain",
                4,
                Duration.ofSeconds(5));
        Finding locks = find("lock_waits", new PostgresCheck(plain, POOLS, USUAL, InstantSource.system()));
        assertThat(locks.measured())
                .isEqualTo("none of this role; GRANT pg_monitor to it, and the check sees the sessions of other roles,"
                        + " too");
    }

    @Test
    void metrics_showEachCheck_andNaNIfTheServerIsUnreachable() {
        Metrics metrics = new Metrics("test");
        CheckMetrics shown = new CheckMetrics(metrics);
        server.execute(database, "DROP INDEX flk_outcomes_expiry");
        try (CheckedServer checked = CheckedServer.start(check(USUAL, InstantSource.system()), shown)) {
            checked.look();
            assertThat(sample(metrics, "flk_postgres_check{point=\"indexes\",}"))
                    .isZero();
            assertThat(sample(metrics, "flk_postgres_check{point=\"migrations\",}"))
                    .isOne();
            assertThat(sample(metrics, "flk_postgres_check{point=\"backup\",}")).isNaN();
        }
        PostgresConfig gone = PostgresStores.config(server, "none", 4, Duration.ofSeconds(5));
        try (CheckedServer checked =
                CheckedServer.start(new PostgresCheck(gone, POOLS, USUAL, InstantSource.system()), shown)) {
            checked.look();
            assertThat(sample(metrics, "flk_postgres_check{point=\"migrations\",}"))
                    .isNaN();
        }
    }

    @Test
    void refusedLogin_isAnError() {
        PostgresConfig wrong = PostgresStores.config(
                "jdbc:postgresql://127.0.0.1:" + server.port() + "/none",
                "postgres",
                "wrong",
                4,
                Duration.ofSeconds(5));
        assertThatThrownBy(() -> new PostgresCheck(wrong, POOLS, USUAL, InstantSource.system()).run())
                .isInstanceOf(IOException.class)
                .hasMessageContaining("the login is refused");
    }

    private static Limits backup(Path place) {
        return new Limits(
                Optional.of(place),
                Duration.ofHours(26),
                OptionalLong.empty(),
                Duration.ofSeconds(5),
                Duration.ofMinutes(1));
    }

    private Connection named(String name) throws SQLException {
        Connection connection = server.connect(database);
        connection.setClientInfo("ApplicationName", name);
        return connection;
    }

    private PostgresCheck check(Limits limits, InstantSource clock) {
        return new PostgresCheck(config, POOLS, limits, clock);
    }

    private void assertBad(String point, String measured) {
        assertBad(point, measured, USUAL);
    }

    private void assertBad(String point, String measured, Limits limits) {
        assertBad(point, measured, check(limits, InstantSource.system()));
    }

    private static void assertBad(String point, String measured, PostgresCheck check) {
        try {
            Finding finding = find(point, check);
            assertThat(finding.measured()).contains(measured);
            assertThat(finding.grade()).as(finding.toString()).isEqualTo(Grade.BAD);
            assertThat(finding.limit()).isNotEmpty();
            assertThat(finding.advice()).isNotEmpty();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Finding find(String point, PostgresCheck check) throws IOException {
        return check.run(Set.of(point)).get(0);
    }
}
