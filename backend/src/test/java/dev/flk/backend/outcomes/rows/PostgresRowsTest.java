// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Change;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.OutcomeRowsContract;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.backend.stores.postgres.PostgresPool;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.backend.stores.postgres.Schema;
import dev.flk.testkit.PostgresServer;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests that the rows in Postgres keep the contract, also if several backends share them and if the server fails. */
final class PostgresRowsTest extends OutcomeRowsContract {
    private static final PostgresServer server = PostgresServer.shared();
    private static final String emptied = server.newDatabase();
    private static final Duration TIMEOUT = Duration.ofSeconds(10);
    private static final int GROUPS = 40;
    private static final int SHARED_ROWS = 30;

    private final Map<String, String> databases = new HashMap<>();
    private PostgresRows one;
    private PostgresRows two;

    @BeforeAll
    static void createTables() throws SQLException {
        Schema.RECORD.migrate(new PostgresConnector(
                PostgresStores.config(server, emptied, TIMEOUT), PoolMetrics.unobserved(Pool.RECORD)));
    }

    @Override
    protected OutcomeRows open(String name) {
        if (name.equals("rows") && databases.isEmpty()) {
            emptyTables();
        }
        return open(server, database(name), TIMEOUT);
    }

    /** Empties the tables that most tests share, because creating them takes longer. */
    private void emptyTables() {
        server.execute(emptied, """
                TRUNCATE flk_record_outcomes, flk_record_reviews, flk_record_positions, flk_record_notes;
                UPDATE flk_record SET history = history + 1, removed = 0, salvaged = 0""");
        databases.put("rows", emptied);
    }

    private String database(String name) {
        return databases.computeIfAbsent(name, unused -> server.newDatabase());
    }

    private static PostgresRows open(PostgresServer server, String database, Duration timeout) {
        PostgresRows rows = unopened(server, database, timeout);
        rows.reopen();
        return rows;
    }

    private static PostgresRows unopened(PostgresServer server, String database, Duration timeout) {
        return new PostgresRows(
                new PostgresPool(
                        PostgresStores.config(server, database, 2, timeout), PoolMetrics.unobserved(Pool.RECORD)),
                new Random());
    }

    @BeforeEach
    void prepareBackends() {
        one = unopened(server, database("rows"), TIMEOUT);
        two = unopened(server, database("rows"), TIMEOUT);
    }

    /** Opens both backends, which few tests need. */
    private void openBackends() {
        one.reopen();
        two.reopen();
    }

    @AfterEach
    void closeBackends() {
        one.close();
        two.close();
    }

    /** Leaves the tables of the other tests alone. */
    private void useOwnDatabase() {
        closeBackends();
        databases.put("rows", server.newDatabase());
        prepareBackends();
        openBackends();
    }

    private void execute(String sql) {
        server.execute(database("rows"), sql);
    }

    private static List<Change> changesAfter(OutcomeRows rows, String cursor) throws ChangesLostException {
        List<Change> all = new ArrayList<>();
        for (String next = cursor; ; next = all.get(all.size() - 1).cursor()) {
            List<Change> part = rows.changes(next, 1_000);
            all.addAll(part);
            if (part.isEmpty()) {
                return all;
            }
        }
    }

    // several backends

    /** Two backends write some rows in turn, with outcomes that differ, and some rows that only one of them writes. */
    @Test
    void apply_twoBackendsAtOnce_loseAndRepeatNoVersion() throws Exception {
        openBackends();
        var first = CompletableFuture.runAsync(() -> applyGroups(one, "log-1", 1_000));
        var second = CompletableFuture.runAsync(() -> applyGroups(two, "log-2", 100_000));
        List<Change> followed = new ArrayList<>();
        while (!first.isDone() || !second.isDone()) {
            followed.addAll(changesAfter(two, cursorAfter(followed)));
        }
        first.join();
        second.join();
        followed.addAll(changesAfter(one, cursorAfter(followed)));

        assertThat(one.position("log-1")).contains(new Position("log-1", GROUPS, "d"));
        assertThat(one.position("log-2")).contains(new Position("log-2", GROUPS, "d"));
        Map<RowKey, List<RecordedOutcome>> versions = new HashMap<>();
        for (Change change : followed) {
            Version version = (Version) change.changed();
            versions.computeIfAbsent(version.key(), key -> new ArrayList<>()).add(version.outcome());
        }
        assertThat(versions).hasSize(SHARED_ROWS + 2 * GROUPS * 5);
        versions.forEach((key, values) -> {
            for (int i = 0; i < values.size(); i++) {
                assertThat(values.get(i).isChangedFrom(i == 0 ? null : values.get(i - 1)))
                        .isTrue();
            }
            assertThat(one.versions(key, 1_000))
                    .extracting(Version::outcome)
                    .containsExactlyElementsOf(reversed(values));
        });
        assertThat(server.number(database("rows"), "SELECT count(*) FROM flk_record_outcomes"))
                .isEqualTo(followed.size());
    }

    private void applyGroups(OutcomeRows rows, String log, int ownRows) {
        Random random = new Random(ownRows);
        for (int group = 1; group <= GROUPS; group++) {
            List<Outcome> outcomes = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                outcomes.add(outcome("own", ownRows + 5 * group + i));
                outcomes.add(outcome("shared", random.nextInt(SHARED_ROWS))
                        .with(List.of("accepted", "escalated", "rejected").get(random.nextInt(3))));
            }
            if (group == 1) {
                for (int number = 0; number < SHARED_ROWS; number++) {
                    outcomes.add(outcome("shared", number));
                }
            }
            rows.apply(group(new Position(log, group, "d"), Map.of(), outcomes.toArray(Outcome[]::new)));
        }
    }

    private static String cursorAfter(List<Change> changes) {
        return changes.isEmpty() ? "" : changes.get(changes.size() - 1).cursor();
    }

    private static List<RecordedOutcome> reversed(List<RecordedOutcome> values) {
        List<RecordedOutcome> reversed = new ArrayList<>();
        values.forEach(value -> reversed.add(0, value));
        return reversed;
    }

    @Test
    void sweep_whileAnotherBackendApplies_removesCompleteRows() {
        openBackends();
        for (int group = 0; group < 10; group++) {
            Outcome[] outcomes = new Outcome[100];
            Arrays.setAll(outcomes, number -> outcome("shard", number));
            two.apply(group(null, Map.of(), outcomes));
        }
        var swept = CompletableFuture.runAsync(() -> {
            while (one.sweep(outcome("shard", 100).received())) {
                // there is more to remove
            }
        });
        for (int group = 0; group < 20; group++) {
            Outcome[] outcomes = new Outcome[100];
            String verdict = group % 2 == 0 ? "rejected" : "accepted";
            Arrays.setAll(outcomes, number -> outcome("shard", number).with(verdict));
            two.apply(group(null, Map.of(), outcomes));
        }
        swept.join();

        assertThat(server.number(
                        database("rows"),
                        "SELECT count(*) FROM (SELECT id FROM flk_record_outcomes GROUP BY id"
                                + " HAVING count(*) FILTER (WHERE is_current) <> 1) AS broken"))
                .isZero();
    }

    // a database that lacks what was written

    @Test
    void apply_positionIsNotTheLastOne_isRefusedUntilThePositionIsRead() {
        openBackends();
        one.apply(group(new Position("log", 7, "d"), Map.of(), outcome("shard", 1)));
        execute("UPDATE flk_record_positions SET sequence = 3");
        OutcomeRows.Group next = group(new Position("log", 9, "d"), Map.of(), outcome("shard", 2));
        for (int again = 0; again < 2; again++) {
            assertThatThrownBy(() -> one.apply(next))
                    .isInstanceOf(RecordUnavailableException.class)
                    .hasMessageContaining("position");
        }
        assertThat(one.withId(outcome("shard", 2).row().pcsId(), 10)).isEmpty();
        assertThat(one.position("log")).contains(new Position("log", 3, "d"));
        one.apply(next);

        assertThat(one.position("log")).contains(new Position("log", 9, "d"));
    }

    @Test
    void changes_restoredDatabaseWithOtherVersionsUnderTheNumber_refuseTheCursor() throws Exception {
        openBackends();
        one.apply(group(new Position("log", 2, "d"), Map.of(), outcome("shard", 1), outcome("shard", 2)));
        String kept = one.newest();
        one.apply(group(new Position("log", 3, "d"), Map.of(), outcome("shard", 3)));
        String lost = one.newest();
        execute("DELETE FROM flk_record_outcomes WHERE n = (SELECT max(n) FROM flk_record_outcomes)");

        assertThat(one.changes(lost, 10)).isEmpty(); // the log may lead to the same version again
        one.apply(group(new Position("log", 5, "d"), Map.of(), outcome("shard", 4), outcome("shard", 3)));
        assertLost(lost);
        assertThat(one.changes(kept, 10)).hasSize(2);
    }

    private void assertLost(String cursor) {
        assertThatThrownBy(() -> one.changes(cursor, 10))
                .isInstanceOf(ChangesLostException.class)
                .hasMessageContaining("history changed");
    }

    @Test
    void tablesWereDropped_nextCallCreatesThem() {
        useOwnDatabase();
        one.apply(group(new Position("log", 7, "d"), Map.of(), outcome("shard", 1)));
        execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        assertThatThrownBy(() -> one.position("log"))
                .isInstanceOf(RecordUnavailableException.class)
                .hasMessageContaining("tables are missing");

        one.reopen();
        assertThat(one.position("log")).isEmpty();
        one.apply(group(new Position("log", 1, "d"), Map.of(), outcome("shard", 1)));
        assertThat(one.shards("", null, 10)).containsExactly("shard");
    }

    @Test
    void emptyHead_isReported() {
        useOwnDatabase();
        execute("DELETE FROM flk_record");

        assertThatThrownBy(() -> one.changes("", 10))
                .isInstanceOf(RecordUnavailableException.class)
                .hasMessageContaining("flk_record is empty");
        assertThatThrownBy(() -> one.apply(group(null, Map.of(), outcome("shard", 1))))
                .isInstanceOf(RecordUnavailableException.class)
                .hasMessageContaining("flk_record is empty");
    }

    // failures

    @Test
    void serverDown_callsFailAndWorkAgainAfterwards() {
        try (PostgresServer own = PostgresServer.start()) {
            String database = own.newDatabase();
            own.stop();
            try (PostgresRows rows = unopened(own, database, Duration.ofSeconds(1))) {
                OutcomeRows.Group group = group(new Position("log", 1, "d"), Map.of(), outcome("shard", 1));
                assertUnavailable(rows::reopen);
                assertUnavailable(() -> rows.position("log"));
                assertUnavailable(() -> rows.apply(group));
                own.restart();
                awaitAvailable(rows::reopen);
                awaitAvailable(() -> rows.apply(group));
                own.stop();
                assertUnavailable(() -> rows.find(everything()));
                assertUnavailable(() -> rows.apply(group));
                assertUnavailable(() -> rows.sweep(outcome("shard", 1).received()));
                own.restart();

                awaitAvailable(() -> assertThat(rows.position("log")).contains(new Position("log", 1, "d")));
                assertThat(rows.find(everything()).rows()).hasSize(1);
            }
        }
    }

    /** Repeats a call while connections of before the restart fail. */
    private static void awaitAvailable(Runnable call) {
        await().ignoreExceptionsInstanceOf(RecordUnavailableException.class).until(() -> {
            call.run();
            return true;
        });
    }

    private static OutcomeQuery everything() {
        return OutcomeQuery.ALL.withOrder(Order.NEWEST).withLimit(10);
    }

    private static void assertUnavailable(Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOf(RecordUnavailableException.class)
                .hasMessageContaining("Postgres at 127.0.0.1");
    }

    @Test
    void readsThatWait_leaveAConnectionToTheWriter() throws Exception {
        PostgresPool pool = new PostgresPool(
                PostgresStores.config(server, database("rows"), 2, Duration.ofMillis(500), TIMEOUT),
                PoolMetrics.unobserved(Pool.RECORD));
        PostgresRows rows = new PostgresRows(pool, new Random());
        try (rows;
                Connection connection = server.connect(database("rows"));
                Statement statement = connection.createStatement()) {
            rows.reopen();
            connection.setAutoCommit(false);
            statement.execute("LOCK TABLE flk_record_notes");
            var first = CompletableFuture.supplyAsync(() -> rows.notes(""));
            await().atMost(PostgresServer.PATIENCE).until(() -> pool.activeConnections() == 1);
            assertThatThrownBy(() -> rows.notes(""))
                    .isInstanceOf(RecordUnavailableException.class)
                    .hasMessageContaining("no connection was free");
            rows.apply(group(null, Map.of(), outcome("shard", 1)));
            connection.rollback();

            assertThat(first.join()).isEmpty();
            assertThat(rows.shards("", null, 10)).containsExactly("shard");
        }
    }

    @Test
    void apply_serializationFailure_isTriedAgain() {
        failInsertsWith("40001", 3);
        one.apply(group(new Position("log", 1, "d"), Map.of("note", "text"), outcome("shard", 1)));

        assertThat(one.versions(outcome("shard", 1).row(), 10)).hasSize(1);
        assertThat(one.position("log")).isPresent();
    }

    @Test
    void apply_otherFailure_hasNoEffect() {
        failInsertsWith("P0001", 1);
        OutcomeRows.Group group =
                group(new Position("log", 1, "d"), Map.of("note", "text"), outcome("shard", 1), outcome("shard", 2));
        assertThatThrownBy(() -> one.apply(group)).isInstanceOf(RecordUnavailableException.class);
        assertThat(one.position("log")).isEmpty();
        assertThat(one.notes("")).isEmpty();
        assertThat(one.shards("", null, 10)).isEmpty();
        one.apply(group);

        assertThat(one.versions(outcome("shard", 2).row(), 10)).hasSize(1);
    }

    /** Makes the first inserts of versions fail. */
    private void failInsertsWith(String state, int times) {
        useOwnDatabase();
        execute("""
                CREATE SEQUENCE tried;
                CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF nextval('tried') <= %d THEN RAISE EXCEPTION 'no' USING ERRCODE = '%s'; END IF;
                    RETURN NULL;
                END $$;
                CREATE TRIGGER fail AFTER INSERT ON flk_record_outcomes FOR EACH STATEMENT EXECUTE FUNCTION fail()""".formatted(times, state));
    }

    @Test
    void closed_callsFail() {
        openBackends();
        one.close();

        assertThatThrownBy(() -> one.notes("")).isInstanceOf(RecordUnavailableException.class);
        assertThatThrownBy(() -> one.apply(group(null, Map.of(), outcome("shard", 1))))
                .isInstanceOf(RecordUnavailableException.class);
    }
}
