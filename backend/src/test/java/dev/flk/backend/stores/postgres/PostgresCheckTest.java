// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import static dev.flk.program.metrics.ScrapedText.sample;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;
import static org.awaitility.Awaitility.await;

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
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.postgresql.PGConnection;

/** Tests each point of the checklist on a server that has the problem which the point detects. */
@Tag("thorough")
class PostgresCheckTest {
    private static final Set<Pool> POOLS = EnumSet.of(Pool.DEDUP, Pool.STATE);

    /** A heading, or an SQL statement in a code block, which is fenced or indented. */
    private static final Pattern HEADING_OR_STATEMENT =
            Pattern.compile("(?m)^##+ (.*)|^(?: {4})?((?:SELECT|EXPLAIN|VACUUM) [^;`]*);");

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
        assertThat(check(Limits.USUAL, InstantSource.system()).run())
                .allSatisfy(finding ->
                        assertThat(finding.grade()).as(finding.toString()).isEqualTo(Grade.OK));
    }

    @Test
    void missingMigration_isCounted() {
        server.execute(database, "DELETE FROM flk_state_schema_history WHERE version = '1'");
        assertBad("migrations", "state: 1 migration missing");
    }

    @Test
    void noTables_reportMissingMigrations() {
        server.execute(database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        assertBad("migrations", "dedup: 2 migrations missing, state: 1 migration missing");
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
    void busyPoolThatIsNotChecked_isNotCounted() throws IOException, SQLException {
        PostgresCheck ofSessions = new PostgresCheck(config, EnumSet.of(Pool.SESSIONS), InstantSource.system());
        try (Connection busy = named("flk-backend state 7@here");
                Connection more = named("flk-backend dedup 8@there")) {
            for (Connection each : new Connection[] {busy, more}) {
                each.setAutoCommit(false);
                each.createStatement().execute("SELECT 1");
            }
            assertThat(find("pool_use", ofSessions).measured()).isEqualTo("0 % of 4 connections");
        }
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
            Limits soon = new Limits(Duration.ofMillis(1), Duration.ofMillis(1));
            await().atMost(PostgresServer.PATIENCE)
                    .untilAsserted(() -> assertBad("lock_waits", " waits for " + pid + ",", soon));
            assertBad("idle_transactions", "process " + pid + " of ", soon);
            holder.rollback();
            waits.join();
        }
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
                        entry("Slow queries", 7),
                        entry("Lock conflicts", 2),
                        entry("Standbys and TLS", 3));
    }

    @Test
    void wrongClock_isReportedWithTheDifference() {
        PostgresCheck early = check(Limits.USUAL, () -> Instant.now().minusSeconds(3_600));
        assertBad("clock", "the clock of the server is 3600.0 s fast", early);
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
        Finding locks = find("lock_waits", new PostgresCheck(plain, POOLS, InstantSource.system()));
        assertThat(locks.measured())
                .isEqualTo("none of this role; GRANT pg_monitor to it, and the check sees the sessions of other roles,"
                        + " too");
    }

    @Test
    void metrics_showEachCheck_andNaNIfTheServerIsUnreachable() {
        Metrics metrics = new Metrics("test");
        CheckMetrics shown = new CheckMetrics(metrics);
        server.execute(database, "ALTER TABLE flk_outcomes SET (autovacuum_enabled = false)");
        try (CheckedServer checked = CheckedServer.start(check(Limits.USUAL, InstantSource.system()), shown)) {
            checked.look();
            assertThat(sample(metrics, "flk_postgres_check{point=\"vacuum\",}")).isZero();
            assertThat(sample(metrics, "flk_postgres_check{point=\"migrations\",}"))
                    .isOne();
        }
        PostgresConfig gone = PostgresStores.config(server, "none", 4, Duration.ofSeconds(5));
        try (CheckedServer checked =
                CheckedServer.start(new PostgresCheck(gone, POOLS, InstantSource.system()), shown)) {
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
        assertThatThrownBy(() -> new PostgresCheck(wrong, POOLS, InstantSource.system()).run())
                .isInstanceOf(IOException.class)
                .hasMessageContaining("the login is refused");
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
        assertBad(point, measured, Limits.USUAL);
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
